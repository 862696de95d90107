"""Seconds of stages from unit costs and counts, by hand."""

import dataclasses

import pytest

from nadv2_tf.pipeline.plan.costs import Costs, NetworkCosts
from nadv2_tf.pipeline.plan.estimate import DONE, HEAD_STEP, Counts, estimate, total
from nadv2_tf.pipeline.plan.table import duration, lines

FOUND = NetworkCosts(prepare=4, step=0.1, image=0.01, export=2, export_quantized=5, file_image=0.02)
FULL = NetworkCosts(prepare=6, step=0.3, image=0.02, export=3, file_image=0.04)
COSTS = Costs(
  start=3, super_build=7, super_full_step=0.5, super_step=0.25, found=FOUND, full=FULL,
  score_build=5, sample=0.1, propose=0.02, descend=0.05, range=2, piece=0.1, table_network=0.5,
  choose=1, confirm=1.5, match=4, time=0.75, report=1,
)  # fmt: skip


def seconds_of(**counts):
  return {stage.name: stage.seconds for stage in estimate(COSTS, Counts(**counts))}


def test_steps_downhill_are_of_the_search():
  assert seconds_of(samples=10, descent_steps=200)["search"] == pytest.approx(
    10 * 0.12 + 200 * 0.05
  )


def test_a_counted_run():
  found = seconds_of(full_steps=10, steps=20, finetune_steps=30, holdout=50, test=100, samples=40)
  assert found == pytest.approx(
    {
      "start": 3,
      "train": 10 * 0.5 + 20 * 0.25 + 7,
      "search": 40 * 0.12,
      "finetune found": 30 * 0.1 + 4 + (2 * 50 + 100) * 0.01,
      "export": 2 + 100 * 0.02,
      "time": 0.75,
      "report": 1,
    }
  )


def test_a_search_in_halves_trains_twice_more():
  found = seconds_of(half_steps=10, samples=41)
  half = 10 * 0.25 + 7
  assert found["train later half"] == found["train earlier half"] == pytest.approx(half)
  assert found["search later half"] == pytest.approx(20 * 0.12)
  assert found["search"] == pytest.approx(21 * 0.12)
  assert not any("half" in name for name in seconds_of(samples=41))


def test_a_new_classifier_is_trained_first():
  alone = seconds_of(full_is_first=True, plain_full_steps=10)["train full"]
  with_head = seconds_of(full_is_first=True, plain_full_steps=10, head_steps=100)["train full"]
  assert with_head - alone == pytest.approx(100 * HEAD_STEP * 0.3)


def test_latency_brings_a_table_and_confirmations():
  found = seconds_of(is_timed=True, pieces=100, table_networks=20, confirmed=3, matches=2)
  assert found["table"] == pytest.approx(100 * 0.1 + 20 * 0.5 + 2 + 1)
  assert found["confirm"] == 4.5 and found["references"] == 8
  assert "table" not in seconds_of(pieces=100)


def test_several_targets_and_references():
  networks = ("found", "found", "uniform", "uniform", "full")
  found = seconds_of(networks=networks, finetune_steps=10)
  assert found["finetune found"] == found["finetune uniform"] == pytest.approx(2 * (1 + 4))
  assert found["finetune full"] == pytest.approx(3 + 6)
  assert found["export"] == pytest.approx(4 * 2 + 3)
  assert found["time"] == pytest.approx(5 * 0.75)


def test_the_uniformly_scaled_network_has_costs_of_its_own():
  costs = dataclasses.replace(COSTS, uniform=FULL)
  stages = estimate(costs, Counts(networks=("found", "uniform"), finetune_steps=10, test=100))
  found = {stage.name: stage.seconds for stage in stages}
  assert found["finetune found"] == pytest.approx(10 * 0.1 + 4 + 100 * 0.01)
  assert found["finetune uniform"] == pytest.approx(10 * 0.3 + 6 + 100 * 0.02)
  assert found["export"] == pytest.approx(2 + 100 * 0.02 + 3 + 100 * 0.04)


def test_the_full_network_is_trained_once():
  assert seconds_of(full_first=True)["finetune full"] == 6
  both = seconds_of(full_first=True, networks=("found", "uniform", "full"))
  assert both["finetune full"] == 6


def test_a_trajectory_is_trained_at_sizes_in_between():
  with_it = seconds_of(transfer_networks=5, transfer_steps=7)["finetune found"]
  assert with_it == pytest.approx(4 + 5 * 7 * 0.2 + 5 * 4)


def test_quantized_files_and_trust():
  found = seconds_of(quantized=("found",), test=10, qat_steps=8, trust_networks=3, trust_steps=5)
  assert found["export"] == pytest.approx(2 + 2 * 10 * 0.02 + 5 + 8 * 2 * 0.1)
  assert found["trust"] == pytest.approx(3 * (5 * 0.1 + 4 + 10 * 0.01))
  mixed = seconds_of(quantized=("found",), test=10, mixed_images=70)["export"]
  assert mixed == pytest.approx(2 + 2 * 10 * 0.02 + 5 + 70 * 0.02)


def test_what_is_done_takes_no_time():
  stages = estimate(COSTS, Counts(steps=100, done=frozenset({"train"})))
  (train,) = [stage for stage in stages if stage.name == "train"]
  assert (train.seconds, train.made_of) == (0, DONE)
  assert total(stages) == pytest.approx(3 + 5 + 4 + 2 + 0.75 + 1)
  (line,) = [line for line in lines(stages) if line.startswith("train")]
  assert line.split() == ["train", "done"]


@pytest.mark.parametrize(
  ("seconds", "text"), [(0.4, "0 s"), (599, "599 s"), (600, "10 min"), (36000, "10.0 h")]
)
def test_durations(seconds, text):
  assert duration(seconds) == text
