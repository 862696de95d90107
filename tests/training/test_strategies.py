"""Strategies by name: what they refuse, and that replicas agree with one device."""

import json
import pathlib
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training import strategies
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.widths import WidthSampler

BATCH = 16
RECIPE = Recipe(2, BATCH, "sgd", 0.05, weight_decay=0.0, l2=1e-2)


@pytest.fixture(scope="module")
def mirrored():
  strategy = strategies.make_strategy("mirrored")
  if strategy.num_replicas_in_sync != 2:
    pytest.skip("needs two logical CPUs: TensorFlow was started before they were made")
  return strategy


@pytest.fixture(scope="module")
def examples():
  rng = np.random.default_rng(0)
  return Examples(rng.integers(0, 256, (64, 8, 8, 1)).astype(np.uint8), rng.integers(0, 2, 64))


@pytest.fixture(scope="module")
def task():
  return Classification("demo", 8, 1, 0)


def trained(space, task, examples, strategy, subnetworks):
  """Weights after eight steps of plain SGD, which blows rounding up least."""
  keras.utils.set_random_seed(1)
  with strategy.scope():
    model = super_network(space, **strategies.batch_norm_form(strategy, BATCH, subnetworks))
  sampler = WidthSampler(space, BATCH, subnetworks, full=min(1, subnetworks - 1))
  reports = TrainingLoop(model, task, RECIPE, sampler, strategy).run(examples, report_every=1)
  assert len(reports) == 8
  return model, [report.loss for report in reports]


@pytest.mark.parametrize("subnetworks", [1, 4, BATCH], ids=["one group", "groups", "paper's form"])
def test_two_replicas_agree_with_one(tiny_space, task, examples, mirrored, subnetworks):
  one, one_losses = trained(
    tiny_space, task, examples, strategies.make_strategy("one"), subnetworks
  )
  two, two_losses = trained(tiny_space, task, examples, mirrored, subnetworks)
  # Sums over the batch are taken in another order: 1e-7 a step, which eight steps multiply.
  np.testing.assert_allclose(two_losses, one_losses, atol=1e-4)
  trainable = zip(one.trainable_variables, two.trainable_variables, strict=True)
  for first, second in trainable:
    np.testing.assert_allclose(second.numpy(), first.numpy(), atol=1e-4, err_msg=first.path)


def test_four_replicas_agree_with_one():
  script = pathlib.Path(__file__).with_name("four_replicas.py")
  done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
  for line in done.stdout.splitlines():
    steps, losses, weights = map(float, line.split())
    assert steps == 8 and losses < 1e-4 and weights < 1e-4
  assert len(done.stdout.splitlines()) == 2


def test_every_replica_trains_its_part_of_one_balanced_batch(tiny_space, task, examples, mirrored):
  """Widths are balanced over the global batch; the halves are unequal and only together even."""
  seen = []
  sampler = WidthSampler(tiny_space, BATCH, BATCH)
  model = super_network(tiny_space)
  loop = TrainingLoop(model, task, RECIPE, sampler, mirrored)
  (images, widths), targets = next(iter(loop._batches(examples)))
  (_, parts), _ = loop._distributed(((images, widths), targets))
  seen = [part.numpy() for part in mirrored.experimental_local_results(parts)]
  np.testing.assert_array_equal(np.concatenate(seen), widths)
  for column, decision in enumerate(tiny_space.decisions):
    if decision.kind != "kernel":
      counts = [np.sum(widths[:, column] == choice) for choice in decision.choices]
      assert max(counts) - min(counts) <= 1


def test_stand_alone_network_agrees_too(tiny_space, task, examples, mirrored):
  weights = []
  for strategy in (strategies.make_strategy("one"), mirrored):
    keras.utils.set_random_seed(2)
    with strategy.scope():
      model = stand_alone(tiny_space.largest())
    for layer in model.layers:
      if isinstance(layer, keras.layers.BatchNormalization):
        layer.synchronized = strategy is mirrored
    TrainingLoop(model, task, RECIPE, strategy=strategy).run(examples)
    weights.append(model.get_weights())
  for one, two in zip(*weights, strict=True):
    np.testing.assert_allclose(two, one, atol=1e-4)


def test_mirrored_takes_all_devices():
  strategy = strategies.make_strategy("mirrored")
  assert strategy.num_replicas_in_sync == len(tf.config.list_logical_devices("CPU"))
  assert strategies.make_strategy("mirrored") is strategy


class _Margin(Classification):
  """A quality that shows the last bit of the outputs."""

  def quality(self, targets, outputs):
    return outputs[:, 0] - outputs[:, 1]


@pytest.mark.parametrize("calibration", [None, "examples"])
def test_scoring_is_spread_and_exactly_the_same(
  tiny_space, examples, mirrored, randomise, calibration
):
  task = _Margin("demo", 8, 1, 0)
  keras.utils.set_random_seed(3)
  with mirrored.scope():
    model = super_network(tiny_space)
  randomise(model, seed=4)
  images = calibration and examples.take(slice(16))
  rng = random.Random(5)
  specs = [tiny_space.sample(rng) for _ in range(5)]  # odd: one replica has a sample too few
  one = SharedWeightsEvaluator(model, task, examples, images, 32)
  spread = SharedWeightsEvaluator(model, task, examples, images, 32, mirrored)
  assert one.at_once == 1 and spread.at_once == mirrored.num_replicas_in_sync
  scores = one.accuracy(specs)
  assert spread.accuracy(specs) == scores and len(set(scores)) > 1
  assert spread.accuracy(specs[:1]) == scores[:1]
  assert spread.traces == 1


def config(cluster=None, kind="worker", index=0):
  workers = {"worker": ["127.0.0.1:20001", "127.0.0.1:20002"]} if cluster is None else cluster
  return json.dumps({"cluster": workers, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("", "which is not set"),
    ("{", "cannot be read .JSONDecodeError"),
    ("[]", "cannot be read"),
    ('{"cluster": {"worker": ["a:1"]}}', "cannot be read .KeyError: 'task'"),
    (config(kind="evaluator"), "must be chief or worker, got 'evaluator'"),
    (config({"worker": ["a:1"], "ps": ["b:1"]}), "got 'ps'"),
    (config(index=2), "the task is worker 2, and the cluster has 2"),
    (config({"worker": ["host"]}), "'host' is not of the form host:port"),
    (config({"worker": [1]}), "not of the form"),
  ],
)
def test_bad_tf_config_is_one_clear_line(monkeypatch, text, message):
  monkeypatch.setenv("TF_CONFIG", text)
  with pytest.raises(ValueError, match=message) as caught:
    strategies.make_strategy("multi_worker")
  assert "\n" not in str(caught.value)


def test_auto_is_one_device_without_gpus(monkeypatch):
  monkeypatch.delenv("TF_CONFIG", raising=False)
  if tf.config.list_logical_devices("GPU"):
    pytest.skip("this machine has GPUs")
  assert strategies.make_strategy("auto").num_replicas_in_sync == 1
  monkeypatch.setenv("TF_CONFIG", config({"worker": ["127.0.0.1:20001"]}))
  assert strategies.make_strategy("auto").num_replicas_in_sync == 1


def test_what_cannot_be_is_refused(mirrored):
  with pytest.raises(ValueError, match="--strategy must be one of auto, one, mirrored"):
    strategies.make_strategy("horovod")
  with pytest.raises(ValueError, match="--strategy=tpu finds no TPU"):
    strategies.make_strategy("tpu")
  with pytest.raises(ValueError, match="--batch_size=15 must be divisible by the 2 replicas"):
    strategies.check_replicas(mirrored, 15)
  with pytest.raises(ValueError, match="--subnetworks_per_batch=3 must be divisible"):
    strategies.check_replicas(mirrored, 18, 3)
  with pytest.raises(ValueError, match="--subnetworks_per_batch=1 must be divisible"):
    strategies.check_replicas(mirrored, 18, 1, "sliced")
  strategies.check_replicas(mirrored, 18, 18)


def test_a_worker_that_does_not_come_is_named(monkeypatch):
  monkeypatch.setattr(strategies, "START_SECONDS", 0.1)
  with pytest.raises(strategies.WorkerLost, match="127.0.0.1:9 of TF_CONFIG could not be reached"):
    strategies._wait_for(["127.0.0.1:9"])
