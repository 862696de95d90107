"""A whole comparison, tiny: every stage for real but the stop watch."""

import dataclasses
import json
import re

import numpy as np
import pytest

from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.benchmarks.studies.compare import cells
from nadv2_tf.benchmarks.studies.compare.methods import METHODS
from nadv2_tf.benchmarks.studies.compare.plan import Plan
from nadv2_tf.benchmarks.studies.compare.run import compare
from nadv2_tf.benchmarks.tables import measurement as latency_table
from nadv2_tf.benchmarks.tables import meter
from nadv2_tf.search import UnreachableTarget
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

PLAN = Plan(
  backbone="toy",
  seeds=1,
  super_epochs=3,
  full_epochs=1,
  found_epochs=2,
  batch_size=16,
  subnetworks=4,
  size_noise=0.2,
  holdout=32,
  calibration=32,
  targets=(0.75, 0.6),
  samples_per_iteration=2,
  layers_per_sample=3,
  initial_reduction=0.2,
  reduction_decay=1.0,
  samples=2,
  netadaptv1_steps=2,
  netadaptv1_reduction=0.2,
  netadaptv1_decay=1.0,
)


def _toy(input_shape=(8, 8, 1), classes=2):
  blocks = (
    Conv(8, 3, 2, bypass_cap=4),
    InvertedResidual(16, 16, 8, 3, bypass_cap=4),
    Head(classes, None),
  )
  return space_of(NetworkSpec("toy", input_shape, blocks), levels=4)


def _milliseconds(content):
  """By MACs of a whole network, by channels of a piece, plausibly enough for a calibration."""
  if content.startswith(b"{"):
    return 0.5 + NetworkSpec.from_json(content.decode()).macs() / 1e4
  return 0.5 + 4e-3 * sum(map(int, re.findall(rb"(?:in_channels|kept)=(\d+)", content)))


@pytest.fixture
def patched(monkeypatch, make_device):
  """The toy backbone, and a device whose stop watch always shows the same."""
  monkeypatch.setattr(latency_table, "piece_file", lambda piece: repr(piece).encode())
  for module in (latency_table, meter):
    monkeypatch.setattr(module, "network_file", lambda spec: spec.to_json().encode())
  monkeypatch.setattr(cells, "open_device", lambda *_: make_device(_milliseconds))
  with BACKBONES.registered("toy", _toy):
    yield monkeypatch


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  rng = np.random.default_rng(0)
  arrays = {}
  for part, count in (("train", 96), ("test", 50)):
    labels = rng.integers(0, 2, count)
    images = rng.integers(0, 120, (count, 8, 8, 1))
    for image, label in zip(images, labels, strict=True):
      image[4 * label : 4 * label + 4] += 100
    arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
  path = tmp_path_factory.mktemp("data") / "halves.npz"
  np.savez(path, **arrays)
  return f"npz:{path}"


def test_a_comparison_is_resumed_cell_by_cell(patched, data, tmp_path):
  said = []
  text = compare(PLAN, data, METHODS, tmp_path, "the command", said.append)
  assert (tmp_path / "compare.txt").read_text() == text and text.startswith("$ the command\n")
  for method in METHODS.values():
    lines = [line for line in text.splitlines() if line.startswith(f"{method.title}  ")]
    assert len(lines) == len(PLAN.targets), method.title
  assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")

  found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("cells/*.json")}
  assert set(found) == {f"{name}_0" for name in METHODS}
  targets = {tuple(one["target"] for one in cell["found"]) for cell in found.values()}
  assert len(targets) == 1  # in milliseconds, whatever the space
  for name, cell in found.items():
    assert cell["search_seconds"] > 0 and cell["samples"] >= 2, name
    for one in cell["found"]:
      assert one["predicted"] <= one["target"], name
      spec = NetworkSpec.from_json(one["spec"])
      assert one["macs"] == spec.macs() < _toy().largest().macs()
  assert len(set((tmp_path / "supers").glob("*.json"))) == 4
  assert list((tmp_path / "cells" / "netadaptv1_0").glob("iteration_*.npz"))

  _kill_and_resume(patched, data, tmp_path, text, found)
  with pytest.raises(ValueError, match="holds another comparison"):
    compare(dataclasses.replace(PLAN, seeds=2), data, METHODS, tmp_path, "", said.append)


def _kill_and_resume(patched, data, folder, text, found):
  """Two methods lose their result, but not their journal; everything else is taken as it stands."""
  for name in ("netadaptv1", "uniform"):
    (folder / "cells" / f"{name}_0.json").unlink()
  trained = []

  class CountingLoop(cells.TrainingLoop):
    def run(self, *arguments):
      trained.append(self)
      return super().run(*arguments)

  def no_score(self, specs):
    raise AssertionError("A journalled sample was scored again.")

  patched.setattr(cells, "TrainingLoop", CountingLoop)
  for evaluator in (cells.FineTuningEvaluator, cells.SharedWeightsEvaluator):
    patched.setattr(evaluator, "accuracy", no_score)
  again = compare(PLAN, data, METHODS, folder, "the command", lambda line: None)
  assert len(trained) == 4  # two methods, two targets each
  without_seconds = [line[:-32] for line in text.splitlines()]
  assert [line[:-32] for line in again.splitlines()] == without_seconds
  for name in ("netadaptv1_0", "uniform_0"):
    cell = json.loads((folder / "cells" / f"{name}.json").read_text())
    assert cell["search_seconds"] >= found[name]["search_seconds"]  # those before count
    for one, other in zip(cell["found"], found[name]["found"], strict=True):
      assert one["spec"] == other["spec"] and one["accuracy"] == other["accuracy"]

  patched.setattr(cells, "TrainingLoop", None)
  assert compare(PLAN, data, METHODS, folder, "the command", lambda line: None) == again


def test_the_seeds_of_a_comparison_can_be_run_apart(patched, data, tmp_path):
  plan = dataclasses.replace(PLAN, seeds=2, super_epochs=1, found_epochs=1, targets=(0.75,))
  said, names = [], ("uniform",)
  first = compare(plan, data, names, tmp_path, "", said.append, seeds=[1])
  assert first.startswith("1 cells are done") and not (tmp_path / "compare.txt").exists()
  assert {path.name for path in tmp_path.glob("cells/*.json")} == {"uniform_1.json"}
  text = compare(plan, data, names, tmp_path, "", said.append)
  assert {path.name for path in tmp_path.glob("cells/*.json")} == {
    "uniform_0.json",
    "uniform_1.json",
  }
  assert "uniform scaling" in text
  with pytest.raises(ValueError, match="--seeds must be from 0 to 1, got 2"):
    compare(plan, data, names, tmp_path, "", said.append, seeds=[2])


def test_a_target_out_of_a_methods_reach_is_left_out_and_named(patched, data, tmp_path):
  plan = dataclasses.replace(PLAN, super_epochs=1, found_epochs=1, targets=(0.75, 0.01))
  said, names = [], ("uniform", "netadaptv1")
  text = compare(plan, data, names, tmp_path / "some", "", said.append)
  lines = [line for line in text.splitlines() if line.startswith(("uniform", "NetAdaptV1  "))]
  assert [line.endswith("not reached") for line in lines] == [False, True, False, True]
  assert sum("cannot be met" in line for line in said) == 2
  cell = json.loads((tmp_path / "some" / "cells" / "uniform_0.json").read_text())
  assert len(cell["found"]) == len(cell["unreached"]) == 1
  assert cell["unreached"][0] < cell["found"][0]["predicted"]

  nothing = dataclasses.replace(plan, targets=(0.02, 0.01))
  with pytest.raises(UnreachableTarget):
    compare(nothing, data, ("uniform",), tmp_path / "none", "", said.append)


@pytest.mark.parametrize("names", [("netadaptv1", "no_cbc"), ("no_cbc", "netadaptv1")])
def test_methods_without_bypass_share_a_table_that_has_every_kernel(patched, data, tmp_path, names):
  # A backbone with a kernel to choose; NetAdaptV1 chooses none, and asks for the table first.
  def toy(input_shape=(8, 8, 1), classes=2):
    blocks = (Conv(8, 3, 2, bypass_cap=4), InvertedResidual(16, 16, 8, 5, bypass_cap=4))
    return space_of(NetworkSpec("toy", input_shape, (*blocks, Head(classes, None))), levels=4)

  plan = dataclasses.replace(PLAN, super_epochs=1, found_epochs=1, targets=(0.75,))
  with BACKBONES.registered("toy", toy):
    text = compare(plan, data, names, tmp_path, "", lambda line: None)
  assert "NetAdaptV1" in text and "without CBC" in text
  tables = {path.stem: path.read_text() for path in tmp_path.glob("tables/*.csv")}
  assert set(tables) == {"toy", "toy_no_cbc"}
  rows = [line.split(",") for line in tables["toy_no_cbc"].splitlines()]
  assert {row[5] for row in rows if row[0] == "depthwise"} == {"3", "5"}
