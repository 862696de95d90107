"""Several workers, one run: all do the same steps on the same files, only the chief keeps any."""

from __future__ import annotations

import atexit
import io
import json
import os
import pathlib
import tarfile
import tempfile
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from nadv2_tf.pipeline.stages.workbench import Workbench


def own_folder(strategy: Any, folder: RunFolder) -> RunFolder:
  """The folder that this process works in.

  The chief works in `folder`; every other worker in a temporary copy of the chief's, deleted at the
  end. So all find the same stages done, whether they share a file system or not.
  """
  if not strategies.is_multi_worker(strategy):
    return folder
  is_chief = strategies.is_chief(strategy)
  files = strategies.broadcast(strategy, _packed(folder.path) if is_chief else b"")
  if is_chief:
    return folder
  temporary = tempfile.TemporaryDirectory(prefix="nadv2_worker_")
  atexit.register(temporary.cleanup)
  path = pathlib.Path(temporary.name) / "run"
  if files:
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
      archive.extractall(path, filter="data")
  return RunFolder(path)


def own_progress(strategy: Any, progress: Progress) -> Progress:
  """`progress` of the chief; the others say nothing but errors."""
  if strategies.is_chief(strategy):
    return progress
  return Progress(pathlib.Path(os.devnull).open("w", encoding="utf-8"))


def _packed(path: pathlib.Path) -> bytes:
  """The files of a folder as the bytes of an archive; none for a folder that is not there.

  Checkpoints stay with the chief, see `SharedCheckpoints`.
  """
  if not path.is_dir():
    return b""
  packed = io.BytesIO()
  with tarfile.open(fileobj=packed, mode="w") as archive:
    archive.add(path, arcname=".", filter=_needed)
  return packed.getvalue()


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
  return None if "checkpoints" in pathlib.PurePath(member.name).parts else member


def check_same_run(strategy: Any, bench: Workbench) -> None:
  """Raises ValueError on a worker that has other options or other images than the chief."""
  if not strategies.is_multi_worker(strategy):
    return
  own = {
    "options": repr((bench.network_options, bench.train_options)),
    "images": [part.digest() for part in (bench.datasets.train, bench.datasets.holdout)],
  }
  chief = json.loads(strategies.broadcast(strategy, json.dumps(own).encode()))
  for name, value in own.items():
    if value != chief[name]:
      raise ValueError(f"This worker has other {name} than the chief: {value}; {chief[name]}.")
