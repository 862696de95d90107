"""The study of a training for each half: its table by hand, what a run of it begins with."""

import sys
import types

import pytest

from nadv2_tf.benchmarks.studies import halves
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.training.checkpoints.state import StepReport


def _cell(steps, seconds, accuracy):
  return {
    "steps": steps, "seconds": seconds, "tracing": 5.0, "search": 4.0, "samples": 30,
    "accuracy": accuracy, "resource": 1e6,
  }  # fmt: skip


def test_costs_and_accuracies_are_held_against_the_whole(monkeypatch):
  monkeypatch.setattr(halves, "FLAGS", types.SimpleNamespace(cores=1))
  monkeypatch.setattr(sys, "argv", ["halves", "--output=x", "--seeds=0,1"])
  arms = halves.arms_of(["1"], ["0.35"])
  assert arms == ["none", "whole 1", "halves 0.35"]
  cells = {
    "none": [_cell(0, 0.0, 0.7), _cell(0, 0.0, 0.6)],
    "whole 1": [_cell(100, 40.0, 0.8), _cell(100, 60.0, 0.75)],
    "halves 0.35": [_cell(70, 30.0, 0.805), _cell(70, 40.0, 0.735)],
  }
  results = {(seed, arm): cells[arm][int(seed)] for arm in arms for seed in "01"}
  command, _, _, header, none, whole, half, *gains = halves.lines(results, "01", arms)
  assert command.endswith("studies.halves --seeds=0,1")
  assert header.split()[:3] == ["super-network", "steps", "of"]
  assert none.split()[1:5] == ["0", "0.0s", "-", "-100.0%"]
  assert whole.split()[2:6] == ["100", "50.0s", "500", "ms"]
  assert whole.split()[6] == "+0.0%"
  assert half.split()[2:7] == ["70", "35.0s", "500", "ms", "-30.0%"]
  assert half.split()[-3:] == ["77.00%", "73.50%", "80.50%"]
  assert gains == [
    "  none against whole 1: -12.50 points (-10.00, -15.00)",
    "  halves 0.35 against whole 1: -0.50 points (+0.50, -1.50)",
  ]


def test_what_a_training_cost_is_read_from_the_run(tmp_path):
  place = RunFolder(tmp_path / "run").open()
  stages = {
    "train": {"rest": [1, 1]},
    "train later half": {"steps": [9, 3], "tracing": [4, 2], "rest": [1, 1]},
    "search later half": {"steps": [5, 1.5], "rest": [1, 0.25]},
    "train earlier half": {"steps": [8, 2.5], "tracing": [4, 1]},
    "search": {"steps": [5, 1]},
    "finetune found": {"steps": [7, 7]},
  }
  place.write_json(place.stages, stages)
  for half, step in (("later half", 6), ("earlier half", 5)):
    place.log_training(f"super-network, {half}", [StepReport(step, step, 8 * step, 1.0, 0.5)])
  place.update_network("found", test_accuracy=0.75)
  place.update_metrics(samples_scored=11)
  found = halves.cost_of(place)
  assert found == pytest.approx(
    {
      "steps": 11, "seconds": 5.5, "tracing": 3, "search": 2.75, "samples": 11,
      "accuracy": 0.75, "resource": None,
    }
  )  # fmt: skip
