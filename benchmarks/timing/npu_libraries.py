"""The libraries of an NPU's maker, which LiteRT loads from a folder that it is told.

They are a dispatch library, a compiler plugin, and what these load; which ones stands in the
maker's documents. Built after LiteRT's sources (litert/tools/benchmark_litert_model.cc) and never
run on an NPU.
"""

from __future__ import annotations

import hashlib
import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.device import sha256
from nadv2_tf.benchmarks.timing.errors import BinaryError

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

  from nadv2_tf.options import TimingSettings

#: how the names of shared libraries end
ENDING = ".so"
#: {variable with the folders that libraries are loaded from: what stands between two of them}: of
#: the processor's, and of Qualcomm's signal processor (FastRPC's README)
SEARCHED = {"LD_LIBRARY_PATH": ":", "ADSP_LIBRARY_PATH": ";"}


def searched(folders: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
  """The variables of `SEARCHED` with `folders` before what they have in an environment."""
  return {
    name: between.join([*folders, *filter(None, [environment.get(name)])])
    for name, between in SEARCHED.items()
  }


def npu_files(settings: TimingSettings) -> dict[str, pathlib.Path]:
  """{name: path} of the libraries in `npu_libraries`; {} where none are given.

  Raises:
    BinaryError: if there is no such folder, or no library in it.
  """
  if not settings.npu_libraries:
    return {}
  folder = pathlib.Path(settings.npu_libraries)
  if not folder.is_dir():
    raise BinaryError(f"There is no folder {folder}: correct --npu_libraries.")
  found = {path.name: path for path in sorted(folder.iterdir()) if ENDING in path.suffixes}
  if not found:
    raise BinaryError(
      f"There is no library ({ENDING}) in {folder}: give the folder with the NPU maker's libraries "
      "for LiteRT."
    )
  return found


def whole_path(settings: TimingSettings) -> str | None:
  """The whole path of the folder, None where no libraries are given; errors as above."""
  return str(pathlib.Path(str(settings.npu_libraries)).resolve()) if npu_files(settings) else None


def digest(settings: TimingSettings) -> str:
  """Tells the libraries of `settings` from others, "-" where there are none; errors as above."""
  files = npu_files(settings)
  if not files:
    return "-"
  lines = "\n".join(f"{name} {sha256(path)}" for name, path in files.items())
  return hashlib.sha256(lines.encode()).hexdigest()
