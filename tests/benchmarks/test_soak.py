"""A run that is killed in every stage ends like one that was left alone."""

import json
import signal
import subprocess
import sys

import pytest

from nadv2_tf.benchmarks.studies import soak

KILLS = 5


@pytest.mark.slow
def test_a_run_killed_at_five_random_moments_ends_the_same(tmp_path):
  command = [sys.executable, "-m", "nadv2_tf.benchmarks.studies.soak", f"--output={tmp_path}"]
  done = subprocess.run(
    [*command, f"--kills={KILLS}", "--seed=1"], capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stdout + done.stderr
  record = json.loads((tmp_path / "soak.json").read_text())
  assert sum(record["kills"]) >= KILLS and record["faults"] == [] and record["rounds"] >= 1
  assert sum(count > 0 for count in record["kills"]) >= 3  # stages, whatever the machine's pace
  assert f"{record['rounds']} of {record['rounds']} runs ended as the undisturbed" in done.stdout
  # The same command goes on with the count: nothing is left to kill.
  again = subprocess.run(
    [*command, f"--kills={KILLS}"], capture_output=True, text=True, check=False
  )
  assert again.returncode == 0 and "kills: " not in again.stdout
  assert again.stdout.splitlines()[0] == done.stdout.splitlines()[-2]


def test_what_differs_is_seen(tmp_path):
  """The comparison itself: seconds may differ, and nothing else."""
  for name in soak.SAME_FILES:
    (tmp_path / name).write_text("same")
  metrics = {"networks": {"found": {"macs": 5, "seconds": {"finetune": 1.0}}}, "seconds": {}}
  (tmp_path / "metrics.json").write_text(json.dumps(metrics))
  first = soak.result_of(tmp_path)
  metrics["networks"]["found"]["seconds"]["finetune"] = 2.0
  (tmp_path / "metrics.json").write_text(json.dumps(metrics))
  assert soak.result_of(tmp_path) == first
  metrics["networks"]["found"]["macs"] = 6
  (tmp_path / "metrics.json").write_text(json.dumps(metrics))
  assert soak.result_of(tmp_path) != first
  metrics["networks"]["found"]["macs"] = 5
  (tmp_path / "metrics.json").write_text(json.dumps(metrics))
  for name in soak.SAME_FILES:
    (tmp_path / name).write_text("other")
    assert soak.result_of(tmp_path) != first
    (tmp_path / name).write_text("same")


def test_a_stage_that_is_over_is_not_aimed_at_again(tmp_path, monkeypatch):
  class FastRunner:
    """Every run ends a stage before it is killed."""

    runs = 0

    def run(self, folder, data, watch):
      folder.mkdir(exist_ok=True)
      (tmp_path / "killed.log").touch()
      (folder / soak.STAGES[self.runs]).touch()
      self.runs += 1
      return 0 if self.runs == len(soak.STAGES) else -signal.SIGKILL

  aimed = []

  class Clock(soak.StageClock):
    def __init__(self, folder, stage=None, delay=0.0):
      aimed.append(stage)
      super().__init__(folder, stage, delay)

  monkeypatch.setattr(soak, "StageClock", Clock)
  monkeypatch.setattr(soak, "result_of", lambda folder: "the same")
  runner = FastRunner()
  test = soak.Soak(tmp_path, runner, seed=0)
  test.record["lengths"] = [1.0] * len(soak.STAGES)
  assert test.one_round("the same")
  assert test.record["kills"] == [0, 1, 1, 1, 1] and aimed == [0, 1, 2, 3, 4]


def test_the_clock_tells_stages_and_the_moment(tmp_path):
  clock = soak.StageClock(tmp_path, stage=1)
  assert not clock()  # the super-network's training has not begun
  (tmp_path / "full.keras").touch()
  assert clock() and soak.clock_stage(clock) == 1
  assert soak.StageClock(tmp_path, stage=0, delay=0.0)()
  assert not soak.StageClock(tmp_path, stage=1, delay=60.0)()
  late = soak.StageClock(tmp_path, stage=1, delay=60.0)
  (tmp_path / "super.weights.h5").touch()
  assert late() and soak.clock_stage(late) == 2  # the stage was over too soon: killed after it
  assert not soak.StageClock(tmp_path, stage=1, delay=60.0)()  # it was over before
  for name in soak.STAGES:
    (tmp_path / name).touch()
  assert not clock() or soak.clock_stage(clock) == len(soak.STAGES) - 1
  assert len(clock.lengths()) == len(soak.STAGES)
