"""Cells of a study: processes on one core each, whose results are files.

A study that was killed goes on with the cells that have none.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable, Sequence
  from typing import Any, TypeAlias

  Cores: TypeAlias = queue.SimpleQueue[int]


def free_cores(count: int) -> Cores:
  """The first `count` cores of this process, of which each cell takes one."""
  cores: Cores = queue.SimpleQueue()
  for core in sorted(os.sched_getaffinity(0))[:count]:
    cores.put(core)
  return cores


def call(command: Sequence[str], core: int | None = None) -> None:
  """Runs a command, on one core if one is given.

  Raises:
    RuntimeError: with the end of what it printed, if it fails.
  """

  def pin() -> None:
    if core is not None:
      os.sched_setaffinity(0, {core})

  done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=pin)
  if done.returncode:
    raise RuntimeError(
      f"{command} ended with {done.returncode}: {done.stdout[-800:]} {done.stderr[-2000:]}"
    )


def python_call(
  function: str, job: dict[str, Any], path: pathlib.Path, core: int | None = None
) -> dict[str, Any]:
  """Calls a function of a study in a process of its own.

  Args:
    function: "module:name" below nadv2_tf.benchmarks.studies; it is given the path of a JSON file
      with `job` and "result", the file that it writes its result to.
    job: whatever JSON holds.
    path: of the cell, beside which both files lie.
    core: which it runs on; None: any.

  Returns:
    What the function wrote.
  """
  module, name = function.split(":")
  asked, made = path.with_suffix(".asked"), path.with_suffix(".made")
  asked.write_text(json.dumps(job | {"result": str(made)}))
  code = f"import sys; from nadv2_tf.benchmarks.studies import {module} as m; m.{name}(sys.argv[1])"
  call([sys.executable, "-c", code, str(asked)], core)
  return json.loads(made.read_text())


def cell(path: pathlib.Path, make: Callable[[int], dict[str, Any]], cores: Cores) -> dict[str, Any]:
  """What stands in `path`, made by `make(core)` if nothing does."""

  def on_a_core() -> dict[str, Any]:
    core = cores.get()
    try:
      return make(core)
    finally:
      cores.put(core)

  return in_file(path, on_a_core)


def check_same(folder: pathlib.Path, asked: dict[str, Any]) -> None:
  """Notes in a study's folder what its cells depend on; ends the study if they are of another one.

  Args:
    folder: made if it is not there.
    asked: whatever JSON holds.
  """
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / "study.json"
  if path.exists() and json.loads(path.read_text()) != asked:
    sys.exit(f"{path} says that {folder} holds cells of other flags: {path.read_text()}")
  path.write_text(json.dumps(asked))


def in_file(path: pathlib.Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
  """What stands in `path`, made in this process if nothing does."""
  if not path.exists():
    start, found = time.time(), make()
    path.write_text(json.dumps(found))
    print(f"# {path.stem}: {time.time() - start:.0f} s, {found}", file=sys.stderr, flush=True)
  return json.loads(path.read_text())
