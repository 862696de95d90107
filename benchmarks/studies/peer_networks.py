"""What else can be made of the trained network of a run, before its last training."""

from __future__ import annotations

import itertools
import math
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nadv2_tf.benchmarks.studies.spaces import widths_alone
from nadv2_tf.spec import SearchSpace

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence
  from typing import Any

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import FinetuneOptions, SearchOptions
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.search.problem import Evaluator
  from nadv2_tf.spec import NetworkSpec

#: steps that every sample of NetAdaptV1 is trained, the factor on its reductions, and the samples
#: whose time says how many iterations the search's time has room for
V1_STEPS, V1_DECAY, V1_PROBES = 5, 0.96, 3
#: of the widths of the scaled networks that tell how far its latency table is off
SHARES = (1.0, 0.8, 0.6, 0.45)


class Setting(NamedTuple):
  """A finished run, opened again.

  Attributes:
    search_times: how long NetAdaptV1 may search, over what the run's search took.
  """

  folder: RunFolder
  bench: Workbench
  finetune: FinetuneOptions
  search: SearchOptions
  full: keras.Model
  seed: int
  search_times: float = 1.0


class Peer(NamedTuple):
  """A network of an arm, ready for its last training."""

  spec: NetworkSpec
  model: keras.Model


def scratch(setting: Setting) -> dict[str, Peer]:
  """The found networks with fresh weights."""
  import keras

  from nadv2_tf.models import stand_alone

  peers = {}
  for place in setting.folder.found_folders():
    keras.utils.set_random_seed(setting.seed)
    spec = place.read_spec("found")
    peers[place.path.name] = Peer(spec, stand_alone(spec))
  return peers


def threshold(setting: Setting) -> dict[str, Peer]:
  """Every layer cut where its channels' importance falls below one threshold of all layers."""
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter
  from nadv2_tf.models.pruning import channel_importance
  from nadv2_tf.pipeline.aim.device import device_of, network_timing
  from nadv2_tf.pipeline.aim.on_device import as_fast_as
  from nadv2_tf.pipeline.stages import plain_training, transfer

  space, table = setting.bench.space, _table(setting)
  importance = channel_importance(_filled(setting.bench.space, setting.full))
  peers = {}

  def narrowed(goal: float) -> NetworkSpec:
    return above_threshold(space, importance, table, goal)

  with device_of(setting.search) as device:
    settings = network_timing(setting.search, device, repeats=7)
    meter = DeviceMeter(device, settings, table.fastest_form)
    for place in setting.folder.found_folders():
      found = place.read_spec("found")
      spec = as_fast_as(found, table.measure(found), narrowed, meter)
      model = transfer.cut_down(setting.full, spec)
      plain_training.recalibrate_on(setting.bench, model)
      peers[place.path.name] = Peer(spec, model)
  return peers


def above_threshold(
  space: SearchSpace,
  importance: Mapping[tuple[int, str], np.ndarray],
  table: Any,
  goal: float,
  rounds: int = 40,
) -> NetworkSpec:
  """The largest network of channels above one threshold that a meter gives at most `goal`.

  Args:
    space: the `SearchSpace`; widths are rounded up to its grid, kernels stay full.
    importance: of `channel_importance`, its channels in descending order. In each layer it is
      divided by its mean, as Torch-Pruning's global pruning does by default: layers differ by
      orders of magnitude.
    table: the meter.
    goal: in its unit.
    rounds: of bisection.
  """
  shares = {place: values / values.mean() for place, values in importance.items()}

  def at(threshold: float) -> NetworkSpec:
    spec = space.largest()
    for decision in space.decisions:
      if decision.kind == "width":
        counts = [int((shares[i, decision.field] >= threshold).sum()) for i in decision.blocks]
        least = max(min(max(counts), decision.choices[-1]), 1)
        width = next(choice for choice in decision.choices if choice >= least)
        for index in decision.blocks:
          spec = spec.with_block(index, **{decision.field: width})
    return spec

  low, high = 0.0, max(float(values.max()) for values in shares.values())
  for _ in range(rounds):
    middle = (low + high) / 2
    if table.measure(at(middle)) <= goal:
      high = middle
    else:
      low = middle
  return at(high)


def netadaptv1(setting: Setting) -> dict[str, Peer]:
  """NetAdaptV1 from the same weights, in about the time of the run's search, times a factor.

  It has no kernel sizes to choose: a smallest target that its layers, cut one by one, do not reach
  is left out.
  """
  from nadv2_tf.search import UnreachableTarget

  places = setting.folder.found_folders()
  while True:
    try:
      return _netadaptv1(setting, places)
    except UnreachableTarget:
      if len(places) == 1:
        raise
      places = places[:-1]


def _netadaptv1(setting: Setting, places: Sequence[RunFolder]) -> dict[str, Peer]:
  from nadv2_tf.models import slice_network
  from nadv2_tf.pipeline.stages import plain_training
  from nadv2_tf.search import NetAdaptV1, Problem, minimize
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.scoring.trained_samples import FineTuningEvaluator

  bench = setting.bench
  space = widths_alone(bench.space)
  model, table = _filled(space, setting.full), _plain_table(setting, space)
  goals = _goals(setting, table, space, [place.read_spec("found") for place in places])
  epochs = V1_STEPS / (len(bench.datasets.train) // bench.train_options.batch_size)
  rate = setting.finetune.finetune_learning_rate
  assert rate is not None  # settled
  recipe = Recipe(epochs, bench.train_options.batch_size, "adam", rate, weight_decay=0.0)
  with tempfile.TemporaryDirectory() as folder:
    evaluator = FineTuningEvaluator(
      model,
      bench.task,
      bench.datasets.train,
      bench.datasets.holdout,
      recipe,
      bench.datasets.train.take(slice(512)),
      folder,
      setting.seed,
    )
    budget = setting.search_times * setting.folder.metrics().seconds["search"]
    iterations = _room(space, evaluator, budget)
    problem = Problem(
      space, space.largest(), table, min(goals), larger_targets=tuple(sorted(set(goals))[1:])
    )
    largest = table.measure(space.largest())
    total = sum(V1_DECAY**number for number in range(iterations))
    # Each iteration lands a little below its own goal.
    reduction = (1 - min(goals) / largest) / total * 1.001
    result = minimize(problem, NetAdaptV1(reduction, V1_DECAY), evaluator, seed=setting.seed)
    print(f"netadaptv1: {result.samples_scored} samples in {iterations} iterations, {budget:.0f} s")
    found = {one.target: one.spec for one in result.found}
    peers = {}
    for place, goal in zip(places, goals, strict=True):
      evaluator.show(found[goal])
      network = slice_network(model, found[goal])
      plain_training.recalibrate_on(bench, network)
      peers[place.path.name] = Peer(found[goal], network)
  return peers


def goal_between(target: float, measured: Iterable[tuple[float, float]]) -> float:
  """What a table says of a network that takes `target` milliseconds, before one near it is timed.

  Between two networks that were measured the logarithm of measured over predicted latency is a
  straight line over the logarithm of the measured one; beyond them it stays as it is.

  Args:
    target: milliseconds, measured.
    measured: pairs (predicted, measured milliseconds), one at least.
  """
  logs = sorted((math.log(value), math.log(value / known)) for known, value in measured)
  at = min(max(math.log(target), logs[0][0]), logs[-1][0])
  scale = logs[0][1]
  for (low, first), (high, last) in itertools.pairwise(logs):
    if low <= at and low < high:
      scale = first + (last - first) * min((at - low) / (high - low), 1.0)
  return target / math.exp(scale)


def _goals(
  setting: Setting, table: LatencyTable, space: SearchSpace, found: Sequence[NetworkSpec]
) -> list[float]:
  """What the table of another space says of its networks that are as fast as each of `found`.

  These and networks of the space are timed in turns, and tell how far the table is off.
  """
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter
  from nadv2_tf.pipeline.aim.device import device_of, network_timing
  from nadv2_tf.search.uniform import uniformly_scaled

  scaled = [uniformly_scaled(space, share) for share in SHARES]
  with device_of(setting.search) as device:
    settings = network_timing(setting.search, device, repeats=7)
    meter = DeviceMeter(device, settings, _table(setting).fastest_form)
    measured = meter.measure_all([*found, *scaled])
  pairs = [
    (table.measure(spec), value) for spec, value in zip(scaled, measured[len(found) :], strict=True)
  ]
  return [goal_between(value, pairs) for value in measured[: len(found)]]


def _room(space: SearchSpace, evaluator: Evaluator, seconds: float) -> int:
  """Iterations of NetAdaptV1 that `seconds` have room for, at least 2."""
  widths = [column for column, item in enumerate(space.decisions) if item.kind == "width"]
  probes = [space.shrink(space.largest(), column) for column in widths[: V1_PROBES + 1]]
  specs = [spec for spec in probes if spec is not None]
  evaluator.accuracy(specs[:1])  # traces
  begun = time.monotonic()
  evaluator.accuracy(specs[1:])
  of_one = (time.monotonic() - begun) / (len(specs) - 1)
  return max(int(seconds / (of_one * len(widths))), 2)


def _filled(space: SearchSpace, full: keras.Model) -> SuperNetwork:
  """A super-network of the space with the weights of the full network."""
  from nadv2_tf.models import super_network
  from nadv2_tf.models.slicing import fill_super_network

  model = super_network(space)
  fill_super_network(model, full)
  return model


def _table(setting: Setting) -> LatencyTable:
  from nadv2_tf.resources.latency_table import LatencyTable

  return LatencyTable.from_csv(setting.folder.latency_table)


def _plain_table(setting: Setting, space: SearchSpace) -> LatencyTable:
  """A latency table of a space without bypass, measured on the run's device."""
  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.pipeline.aim.device import device_of, timing_settings

  with device_of(setting.search) as device, tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "table.csv"
    measurement = TableMeasurement(space, device, timing_settings(setting.search), path)
    table = measurement.measure(10)
    measurement.finish()
  return table


#: {arm: function (`Setting`) -> {folder of a target: `Peer`}}
ARMS = {"threshold": threshold, "netadaptv1": netadaptv1, "scratch": scratch}
