"""The two builds of `benchmark_model`: TensorFlow Lite's, and LiteRT's, which goes on from it.

They share the flags of runs and threads, and print alike; how a delegate is asked for differs, and
LiteRT's writes two files that say more than its print. Which flags a program knows stands in its
own bytes, where they are looked for: `--help` would have to be run on the device. A wrong guess is
told, because both builds name flags that they do not know.

Read in the sources of TensorFlow (tensorflow/lite/tools/benchmark/README.md) and of LiteRT
(litert/tools/benchmark_litert_model.h and .cc).
"""

from __future__ import annotations

import dataclasses
import mmap
import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import FlagError
from nadv2_tf.options.timing import flags_of

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: files that a build writes into the folder of its results
RESULT = "result.pb"
RUNTIME_INFO = "runtime_info.pb"

_FULL = "--require_full_delegation=true"


@dataclasses.dataclass(frozen=True)
class Build:
  """What one build of `benchmark_model` is asked with.

  Attributes:
    name: "TensorFlow Lite" or "LiteRT".
    delegates: {delegate: its flags}.
    full: {delegate: flags that forbid it to leave nodes to the processor}.
    libraries: flags for the folder of an NPU's libraries, with {} for it; () where it has none.
    result, runtime_info: flags for its two files, with {} for the file; () where it has none.
  """

  name: str
  delegates: Mapping[str, tuple[str, ...]]
  full: Mapping[str, tuple[str, ...]]
  libraries: tuple[str, ...] = ()
  result: tuple[str, ...] = ()
  runtime_info: tuple[str, ...] = ()

  @property
  def writes_files(self) -> bool:
    return bool(self.result or self.runtime_info)

  def delegate_flags(self, settings: TimingSettings) -> list[str]:
    """The flags of the delegate of `settings`.

    Raises:
      FlagError: if the build does not have it.
    """
    if settings.delegate not in self.delegates:
      raise FlagError(
        f"The benchmark_model of {self.name} has no delegate {settings.delegate!r}, only "
        f"{', '.join(self.delegates)}: choose one of them with --delegate, or give another program "
        "with --benchmark_binary=FILE."
      )
    full = self.full.get(settings.delegate, ()) if settings.require_full_delegation else ()
    return [*self.delegates[settings.delegate], *full]

  def further_flags(self, settings: TimingSettings, libraries: str | None) -> list[str]:
    """--benchmark_flags, and those of an NPU's libraries.

    Args:
      settings: `TimingSettings`.
      libraries: the folder of `npu_libraries` where the program runs; None: there are none.
    """
    own = [flag.format(libraries) for flag in self.libraries] if libraries else []
    return [*own, *flags_of(settings.benchmark_flags)]

  def file_flags(self, folder: str) -> list[str]:
    """The flags that let it write its files into `folder`, where it runs."""
    flags = [flag.format(f"{folder}/{RESULT}") for flag in self.result]
    return flags + [flag.format(f"{folder}/{RUNTIME_INFO}") for flag in self.runtime_info]


# XNNPACK is named although TFLite takes it by itself: the tool then says whether it was applied.
TFLITE = Build(
  "TensorFlow Lite",
  {
    "cpu": ("--use_xnnpack=true",),
    "gpu": ("--use_gpu=true",),
    "none": ("--use_xnnpack=false",),
    "nnapi": ("--use_nnapi=true",),
  },
  {"gpu": (_FULL,), "nnapi": (_FULL,)},
)
#: The processor is its default, and what an accelerator leaves goes there unless it is forbidden;
#: the tool ends itself if both are asked for.
LITERT = Build(
  "LiteRT",
  {"cpu": ("--use_cpu=true",), "gpu": ("--use_gpu=true",), "npu": ("--use_npu=true",)},
  {"gpu": ("--use_cpu=false", _FULL), "npu": ("--use_cpu=false", _FULL)},
  ("--dispatch_library_path={}", "--compiler_plugin_library_path={}"),
)
_RESULT_FLAG = "--result_file_path={}"
_INFO_FLAG = "--model_runtime_info_output_file={}"


def knows(path: AnyPath, flag: str) -> bool:
  """Whether a program has the name of a flag in its bytes. Raises OSError if it cannot be read."""
  path = pathlib.Path(path)
  if not path.stat().st_size:
    return False
  with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
    return content.find(flag.encode()) >= 0


def build_of(path: AnyPath) -> Build:
  """The `Build` of a `benchmark_model` file. Raises OSError if it cannot be read."""
  build = LITERT if knows(path, "use_npu") else TFLITE
  info: tuple[str, ...] = (_INFO_FLAG,) if knows(path, "model_runtime_info_output_file") else ()
  if info and knows(path, "export_model_runtime_info"):
    info = ("--export_model_runtime_info=true", *info)
  result = (_RESULT_FLAG,) if knows(path, "result_file_path") else ()
  return dataclasses.replace(build, result=result, runtime_info=info)
