"""The comparison's pure parts: spaces, optimizers, plan, rows, table and picture."""

import dataclasses
import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies.compare.cells import check_plan
from nadv2_tf.benchmarks.studies.compare.methods import METHODS, make_optimizer, spaces
from nadv2_tf.benchmarks.studies.compare.plan import PRESETS
from nadv2_tf.benchmarks.studies.compare.table import draw, rows_of, text_of

PLAN = PRESETS["smoke"]


@pytest.fixture(scope="module")
def all_spaces():
  return spaces(backbones.search_space("mobilenet_v3_cifar"))


@pytest.mark.parametrize("name", ["no_cbc", "plain"])
def test_without_bypass_no_channel_passes_and_no_layer_goes(all_spaces, name):
  space = all_spaces[name]
  rng = random.Random(0)
  for spec in (space.largest(), space.smallest(), *(space.sample(rng) for _ in range(20))):
    layers = [layer for block in spec.layers() for layer in block]
    assert all(layer.bypassed == 0 for layer in layers)
    assert all(layer.kept > 0 for layer in layers if layer.kind in ("conv", "depthwise"))
  # The largest network is the same one, but for where its channels could pass.
  with_bypass = all_spaces["cbc"].largest()
  assert space.largest().macs() == with_bypass.macs()
  assert space.largest().parameters() == with_bypass.parameters()


def test_netadaptv1_searches_widths_alone(all_spaces):
  kinds = {
    name: {decision.kind for decision in space.decisions} for name, space in all_spaces.items()
  }
  assert kinds == {"cbc": {"width", "kernel"}, "no_cbc": {"width", "kernel"}, "plain": {"width"}}


@pytest.mark.parametrize("name", ["cbc", "no_cbc", "plain"])
def test_a_plan_can_keep_the_kernels_small(name):
  backbone = backbones.search_space("mobilenet_v3_cifar")
  space = spaces(backbone, largest_kernel=5)[name]
  kernels = [block.kernel for block in space.network.blocks if hasattr(block, "kernel")]
  before = [block.kernel for block in backbone.network.blocks if hasattr(block, "kernel")]
  assert kernels == [min(kernel, 5) for kernel in before] != before
  choices = {decision.choices for decision in space.decisions if decision.kind == "kernel"}
  assert choices == (set() if name == "plain" else {(3, 5)})
  # Another network, whose latency table must not be that of the backbone's own.
  assert space.network.name != spaces(backbone)[name].network.name
  for spec in (space.largest(), space.smallest()):
    assert space.decode(space.encode(spec)) == spec
  with pytest.raises(ValueError, match="no kernel of at most 2"):
    spaces(backbone, largest_kernel=2)


def test_methods_share_a_network_if_and_only_if_it_is_trained_alike():
  trained = {name: method.super_network for name, method in METHODS.items()}
  shared = ("random", "evolution", "hurricane", "layernas", "scd", "netadaptv2")
  assert {trained.pop(name) for name in shared} == {"cbc_od"}
  assert {trained.pop(name) for name in ("uniform", "no_cbc")} == {"no_cbc_od"}
  assert trained == {"netadaptv1": "plain", "no_od": "cbc_no_od"}


def test_optimizers_take_the_sizes_of_the_plan():
  plan = dataclasses.replace(PLAN, samples=120, scd_reduction=0.1)
  made = {method.optimizer: make_optimizer(method.optimizer, plan) for method in METHODS.values()}
  assert made["mcd"].samples_per_iteration == plan.samples_per_iteration
  assert made["mcd"].layers_per_sample == plan.layers_per_sample
  for name, reduction in (("mcd", plan.initial_reduction), ("scd", plan.scd_reduction)):
    assert made[name].initial_reduction == reduction
    assert made[name].reduction_decay == plan.reduction_decay
  assert made["netadaptv1"].initial_reduction == plan.netadaptv1_reduction
  assert made["netadaptv1"].reduction_decay == plan.netadaptv1_decay
  assert made["random"].samples == 120
  hurricane = made["hurricane"]
  assert 2 * hurricane.population * hurricane.generations <= 120
  assert made["layernas"].buckets == plan.buckets
  evolution = made["evolution"]
  assert evolution.population * evolution.generations <= 120
  assert evolution.generations >= 5
  assert {type(optimizer).__name__ for optimizer in made.values()} >= {"UniformScaling"}


def test_a_folder_of_another_plan_is_refused(tmp_path):
  check_plan(tmp_path, PLAN)
  check_plan(tmp_path, PLAN)
  with pytest.raises(ValueError, match="holds another comparison"):
    check_plan(tmp_path, dataclasses.replace(PLAN, targets=(0.5,)))
  (tmp_path / "plan.json").write_text('{"seeds": 1}')
  with pytest.raises(ValueError, match="no plan"):
    check_plan(tmp_path, PLAN)


def test_a_plan_of_before_a_field_was_added_goes_on(tmp_path):
  plan = dataclasses.replace(PRESETS["cifar10"], netadaptv1_steps=20)
  check_plan(tmp_path, plan)
  path = tmp_path / "plan.json"
  path.write_text(path.read_text().replace(',\n  "netadaptv1_steps": 20', ""))
  assert "netadaptv1_steps" not in path.read_text()
  check_plan(tmp_path, plan)
  assert "netadaptv1_steps" in path.read_text()


def _cell(accuracies, seconds=1.0):
  found = [
    {"target": target, "accuracy": accuracy, "macs": 2e6, "seconds": 3.0, "spec": ""}
    for target, accuracy in zip((0.6, 0.4), accuracies, strict=True)
  ]
  return {"super_seconds": 5.0, "search_seconds": seconds, "samples": 10, "found": found}


@pytest.fixture
def rows():
  cells = [
    (METHODS["uniform"], [_cell((0.80, 0.70)), _cell((0.82, 0.75))]),
    (METHODS["netadaptv2"], [_cell((0.85, 0.78)), _cell((0.86, 0.76), seconds=3.0)]),
  ]
  return rows_of(cells, [0.61, 0.41, 0.59, 0.39, 0.62, 0.42, 0.60, 0.40])


def test_rows_gather_the_seeds_of_a_method_and_target(rows):
  assert [(row["title"], row["target"]) for row in rows] == [
    ("uniform scaling", 0.6),
    ("uniform scaling", 0.4),
    ("NetAdaptV2", 0.6),
    ("NetAdaptV2", 0.4),
  ]
  assert rows[0]["accuracy"] == [80, 82] and rows[1]["accuracy"] == [70, 75]
  assert rows[0]["latency"] == [0.61, 0.59] and rows[1]["latency"] == [0.41, 0.39]
  assert rows[3]["latency"] == [0.42, 0.40] and rows[3]["search"] == [1.0, 3.0]
  assert rows[2]["macs"] == [2.0, 2.0]


def test_the_table_says_what_is_equal_and_gives_mean_and_range(rows):
  text = text_of(rows)
  assert text.startswith("Equal for all:") and "uniformly scaled one included" in text
  line = next(line for line in text.splitlines() if line.startswith("NetAdaptV2  "))
  assert "85.50 (85.00 to 86.00)" in line and "0.610 (0.600 to 0.620)" in line
  assert line.split()[-3:] == ["5", "2", "3"]
  assert sum("NetAdaptV2  " in line for line in text.splitlines()) == 2


def test_a_target_that_not_every_seed_reaches_says_so(tmp_path):
  reached, missed = _cell((0.8, 0.7)), _cell((0.9, 0.6))
  missed |= {"found": missed["found"][:1], "unreached": [0.4]}
  never = _cell((0.5, 0.5)) | {"found": missed["found"], "unreached": [0.4]}
  cells = [(METHODS["netadaptv1"], [missed, reached]), (METHODS["uniform"], [never, never])]
  rows = rows_of(cells, [0.61, 0.59, 0.39, 0.6, 0.6])
  assert rows[0]["accuracy"] == [90, 80] and rows[0]["latency"] == [0.61, 0.59]
  assert rows[1]["accuracy"] == [70] and rows[1]["latency"] == [0.39]
  lines = text_of(rows).splitlines()[-4:]
  assert lines[1].endswith("1 of 2 seeds") and "seeds" not in lines[0]
  assert lines[3].split() == ["uniform", "scaling", "0.400", "not", "reached"]
  draw(rows, tmp_path / "compare.png")


def test_the_picture_is_written(rows, tmp_path):
  draw(rows, tmp_path / "compare.png")
  assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")
