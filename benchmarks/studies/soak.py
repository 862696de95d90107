"""Kills a run again and again, at random moments, and checks that it always ends the same.

  python -m nadv2_tf.benchmarks.studies.soak --output=FOLDER --kills=200

A small `nadv2-run` is run once undisturbed. Then, round after round, the same run is started in a
new folder, ended with SIGKILL in the middle of each stage that is not over yet and started again,
until it finishes; what it leaves must equal what the undisturbed run left. The moments are random
within a stage, drawn from --seed. Everything is kept in FOLDER: the same command goes on with the
count where it was stopped, and a folder whose run came out different is kept.
"""

import json
import os
import pathlib
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from absl import app, flags

from nadv2_tf.spec.files import write_atomically
from nadv2_tf.types import AnyPath

FLAGS = flags.FLAGS

RUN = [
  "--backbone=soak",
  "--image_size=8",
  "--holdout=40",
  "--batch_size=20",
  "--epochs=2",
  "--full_epochs=1",
  "--subnetworks_per_batch=4",
  "--metric=macs",
  "--target=60%",
  "--samples_per_iteration=3",
  "--layers_per_sample=3",
  "--initial_reduction=0.1",
  "--finetune_epochs=2",
  "--device=table:none",
  "--checkpoint_every=0",
]
#: a file that ends each stage; what a stage leaves must equal what the undisturbed run left
STAGES = ("full.keras", "super.weights.h5", "found.json", "found.keras", "report.html")
#: which stage is killed, one after the other
TARGETS = (0, 1, 2, 3, 4)
SAME_FILES = ("found.json", "found.tflite", "search.jsonl", "training.json")
#: of metrics.json; seconds differ, and the commit if somebody commits meanwhile
OTHER_METRICS = ("seconds", "versions")
#: after so many seconds without an end a run hangs
LONGEST = 900

# TensorFlow is imported once, and every command runs in a fork: it prints the process, then its
# exit status. The backbone is small, for most of a run would be tracing otherwise; it has dropout,
# whose seeds are part of a checkpoint.
SERVER = """
import json, os, sys
from nadv2_tf.programs.start import start_tensorflow
start_tensorflow()
from nadv2_tf.pipeline import run
from nadv2_tf.programs.run import start
from nadv2_tf.backbones import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

@BACKBONES.register("soak")
def soak(input_shape=(8, 8, 1), classes=3):
  blocks = (
    Conv(16, 3, 2, "hard_swish", bypass_cap=8),
    InvertedResidual(32, 32, 16, 5, 1, 8, "relu", bypass_cap=8),
    Head(classes, 32, "hard_swish", bypass_cap=16, dropout=0.2),
  )
  return space_of(NetworkSpec("soak", input_shape, blocks), levels=4)

for line in sys.stdin:
  sys.argv = ["nadv2-run", *json.loads(line)["flags"]]
  child = os.fork()
  if not child:
    log = os.open(json.loads(line)["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    try:
      start()
    except SystemExit as end:
      os._exit(end.code or 0)
    os._exit(70)
  print(child, flush=True)
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runner:
  """Starts runs in forks of one process."""

  def __enter__(self) -> Self:
    command = [sys.executable, "-c", SERVER]
    self._server: Any = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return self

  def __exit__(self, *unused: Any) -> None:
    self._server.stdin.close()
    self._server.wait()

  def run(self, folder: AnyPath, data: AnyPath, watch: Callable[[], bool] = lambda: False) -> int:
    """Runs until the end, or until `watch()` says to kill it.

    Returns:
      Exit status, negative for a signal.
    """
    job = {"flags": [f"--data=npz:{data}", f"--output={folder}", *RUN], "log": f"{folder}.log"}
    self._server.stdin.write(json.dumps(job).encode() + b"\n")
    self._server.stdin.flush()
    child, start, killed = int(self._server.stdout.readline()), time.monotonic(), False
    while not select.select([self._server.stdout], [], [], 0.005)[0]:
      if not killed and (watch() or time.monotonic() - start > LONGEST):
        os.kill(child, signal.SIGKILL)
        killed = True
    return int(self._server.stdout.readline())


class StageClock:
  """Watches a run's folder: when did which stage end, and is it time to kill?

  Args:
    folder: of the run.
    stage: the stage to kill in; None: no kill.
    delay: seconds from the stage's beginning; if the stage ends before, the run is killed then.
  """

  def __init__(self, folder: pathlib.Path, stage: int | None = None, delay: float = 0.0) -> None:
    self._folder, self._stage, self._delay = folder, stage, delay
    self._start = time.monotonic()
    self.ends: dict[int, float] = {}
    self._look(0.0)
    self._was_over = stage is not None and stage + 1 in self.ends

  def _look(self, now: float) -> None:
    for number, name in enumerate(("run.json", *STAGES)):
      if number not in self.ends and (self._folder / name).exists():
        self.ends[number] = now

  def __call__(self) -> bool:
    now = time.monotonic() - self._start
    self._look(now)
    if self._stage is None:
      return False
    begun = 0.0 if self._stage == 0 else self.ends.get(self._stage)
    is_over = self._stage + 1 in self.ends and not self._was_over
    return begun is not None and (is_over or now >= begun + self._delay)

  def lengths(self) -> list[float]:
    """Seconds of each stage; the first has the start of the program in it."""
    times = [0.0, *(self.ends[number] for number in range(1, len(STAGES) + 1))]
    return [end - start for start, end in zip(times, times[1:], strict=False)]


def result_of(folder: pathlib.Path) -> dict[str, Any]:
  """{name: what a run left}, seconds aside."""
  metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
  _remove(metrics, OTHER_METRICS)
  left = {name: (folder / name).read_bytes().hex() for name in SAME_FILES}
  return left | {"metrics.json": metrics}


def _remove(value: Any, names: tuple[str, ...]) -> None:
  if isinstance(value, dict):
    for name in names:
      value.pop(name, None)
    for item in value.values():
      _remove(item, names)


def make_data(path: AnyPath) -> None:
  """Three classes told apart by which third of the image is bright."""
  rng = np.random.default_rng(0)
  arrays: dict[str, Any] = {}
  for part, count in (("train", 160), ("test", 60)):
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 80, (count, 9, 9, 1))
    for image, label in zip(images, labels, strict=True):
      image[3 * label : 3 * label + 3] += 150
    arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
  np.savez(path, **arrays)


class Soak:
  """The whole test in one folder; `record` is its state on the disk."""

  def __init__(self, folder: AnyPath, runner: Runner, seed: int) -> None:
    self._folder, self._runner, self._seed = pathlib.Path(folder), runner, seed
    self._folder.mkdir(parents=True, exist_ok=True)
    self._data, self._file = self._folder / "data.npz", self._folder / "soak.json"
    self.record: Any = {"kills": [0] * len(STAGES), "rounds": 0, "attempts": 0, "faults": []}
    if self._file.exists():
      self.record = json.loads(self._file.read_text(encoding="utf-8"))

  def reference(self) -> dict[str, Any]:
    """Runs undisturbed, once."""
    folder = self._folder / "undisturbed"
    if "lengths" not in self.record:
      shutil.rmtree(folder, ignore_errors=True)
      make_data(self._data)
      clock = StageClock(folder)
      status = self._runner.run(folder, self._data, clock)
      clock()
      if status:
        raise RuntimeError(f"The undisturbed run ended with {status}, see {folder}.log.")
      self._keep(lengths=clock.lengths())
    return result_of(folder)

  def one_round(self, expected: dict[str, Any]) -> bool:
    """Kills one run in every stage; True if it ended as the undisturbed one."""
    folder = self._folder / "killed"
    status, number = -signal.SIGKILL, self.record.get("target", 0)
    while status == -signal.SIGKILL:
      # A stage that was over sooner than expected is not aimed at again: the moment would lie
      # anywhere in the later ones, and in the last if the undisturbed run was a slow one.
      while number < len(TARGETS) and (folder / STAGES[TARGETS[number]]).exists():
        number += 1
      stage = TARGETS[number] if number < len(TARGETS) else None
      rng = random.Random(f"{self._seed} {self.record['attempts']}")
      delay = stage is not None and rng.uniform(0, 1) * self.record["lengths"][stage]
      clock = StageClock(folder, stage, delay)
      status = self._runner.run(folder, self._data, clock)
      if status == -signal.SIGKILL:
        self.record["kills"][clock_stage(clock)] += 1
      number += 1
      self._keep(attempts=self.record["attempts"] + 1, target=number)
    got: Any = result_of(folder) if status == 0 else f"it ended with {status}"
    if got != expected:
      kept = folder.with_name(f"different_{self.record['rounds']}")
      folder.rename(kept)
      pathlib.Path(f"{folder}.log").rename(f"{kept}.log")
      names = [name for name in expected if status == 0 and got[name] != expected[name]]
      self.record["faults"].append(f"{kept}: {', '.join(names) or got}")
    else:
      shutil.rmtree(folder)
      pathlib.Path(f"{folder}.log").unlink()
    self._keep(rounds=self.record["rounds"] + 1, target=0)
    return got == expected

  def _keep(self, **values: Any) -> None:
    self.record |= values
    write_atomically(self._file, json.dumps(self.record, indent=2).encode())

  def text(self) -> str:
    """The result as text."""
    record, kills = self.record, sum(self.record["kills"])
    parts = ("the full network", "the super-network", "search", "fine-tuning", "export and report")
    by_stage = ", ".join(
      f"{count} in {part}" for count, part in zip(record["kills"], parts, strict=True)
    )
    lines = [
      f"{kills} kills ({by_stage}) in {record['rounds']} runs",
      f"{record['rounds'] - len(record['faults'])} of {record['rounds']} runs ended as the "
      "undisturbed one: the same found network, weights, journal and metrics",
      *record["faults"],
    ]
    return "\n".join(lines)


def clock_stage(clock: StageClock) -> int:
  """The stage in which the run was when it was killed: the first that had not ended."""
  clock()
  return min(
    (number for number in range(len(STAGES)) if number + 1 not in clock.ends),
    default=len(STAGES) - 1,
  )


def define_flags() -> None:
  flags.DEFINE_string("output", None, "Folder of the runs.", required=True)
  flags.DEFINE_integer("kills", 200, "How often a run is killed, at least.", lower_bound=1)
  flags.DEFINE_integer("seed", 0, "Of the moments.")


def main(_: list[str]) -> int:
  with Runner() as runner:
    soak = Soak(FLAGS.output, runner, FLAGS.seed)
    expected = soak.reference()
    while sum(soak.record["kills"]) < FLAGS.kills:
      is_same = soak.one_round(expected)
      print(
        f"{sum(soak.record['kills'])} of {FLAGS.kills} kills: "
        f"{'the same' if is_same else 'DIFFERENT'}",
        flush=True,
      )
  print(soak.text())
  return 1 if soak.record["faults"] else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)
