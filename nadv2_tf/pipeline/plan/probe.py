"""Measures the unit costs of a run; about a minute for a small one, and no file stays."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING

from nadv2_tf.options.finetune import FROM_FULL
from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.pipeline.aim.limits import parse_limits
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.on_device import timed_range
from nadv2_tf.pipeline.plan import device_probe, simulation, training_probe
from nadv2_tf.pipeline.plan.costs import Costs
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import plain_training
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.recipes import imitation, is_full_first
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Mapping, Sequence
  from typing import Any

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import RunOptions, SearchOptions
  from nadv2_tf.pipeline.plan.simulation import Simulation
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: of the report: drawing needs Matplotlib; measured once, on two cores
REPORT_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Probe:
  """What was measured: `Costs`, and the `Simulation` of the search."""

  costs: Costs
  simulation: Simulation


def probe(
  bench: Workbench, given: RunOptions, start_seconds: float, tell: Callable[[str], None]
) -> Probe:
  """Measures with the run's own settings, on its own images, under its own strategy.

  Args:
    bench: the `Workbench`.
    given: `RunOptions`.
    start_seconds: what the start has taken.
    tell: called with a sentence before each part.

  Raises:
    UnreachableTarget, TimingError, ValueError: as the run would.
  """
  tell("probing: latency" if metric_of(given.search).is_timed else "probing: the search")
  found, simulated = _search_side(bench, given)
  tell("probing: the super-network")
  model, trained = training_probe.super_network_costs(bench, given.search.half_epochs)
  tell("probing: scoring")
  specs, images = _spread(simulated.trajectory), simulated.descent_images
  scored = training_probe.score_costs(bench, model, specs, given.search, images)
  tell("probing: the networks cut out of it")
  networks = _networks(bench, given, model, simulated)
  known = found | trained | scored | networks
  costs = Costs(
    start=start_seconds,
    report=REPORT_SECONDS,
    propose=simulated.propose,
    measured_on=_sources(bench, known),
    **known,
  )
  return Probe(costs, simulated)


def _search_side(bench: Workbench, given: RunOptions) -> tuple[dict[str, Any], Simulation]:
  """({cost: seconds} of what is timed, `Simulation`)."""
  options, space, metric = given.search, bench.space, metric_of(given.search)
  found: dict[str, Any] = {}
  meter: ResourceMeter
  with tempfile.TemporaryDirectory() as place:
    scratch = RunFolder(pathlib.Path(place) / "probe")
    start = time.monotonic()
    values = metric.costs(space, scratch)
    seconds = time.monotonic() - start
    limits = parse_limits(options.limit, space, scratch)
    targets = [target for target, _ in amounts.parse_targets(options.target, values["largest"])]
    if metric.is_timed:
      meter, costs = _likely_table(bench, options, values)
      found = {"range": seconds} | costs
    else:
      meter, targets = _free_meter(metric.meter(space, scratch), space, targets)
  exact = [(one, most) for one, most in limits if one.is_exact]
  simulated = simulation.simulate(options, space, meter, targets, exact, bench.seed)
  if given.references and metric.is_timed:
    uniform = device_probe.uniform_as_fast(options, space, targets[-1])
    simulated = dataclasses.replace(simulated, uniform=uniform)
  specs = _spread(simulated.trajectory) or [space.largest()]
  if metric.has_device:
    if not found:
      found = _ends(options, space)
      values, seconds = found.pop("values"), found["range"]
      meter = simulation.likely_table(space, values)
    found |= device_probe.timing_costs(options, space, specs, seconds, values, meter)
  return found, simulated


def _likely_table(
  bench: Workbench, options: SearchOptions, values: Mapping[str, float]
) -> tuple[LatencyTable, dict[str, float]]:
  """(the run's table, or a likely one; {cost: seconds} of measuring it)."""
  guess = simulation.likely_table(bench.space, values)
  costs, measured = device_probe.table_costs(options, bench.space, guess)
  if bench.folder.latency_table.exists():
    return LatencyTable.from_csv(bench.folder.latency_table), costs
  return simulation.likely_table(bench.space, values, measured), costs


def _free_meter(
  meter: ResourceMeter, space: SearchSpace, targets: list[float]
) -> tuple[ResourceMeter, list[float]]:
  """(a meter that can be asked thousands of times, `targets` by it)."""
  if meter.is_exact:
    return meter, targets
  # To ask it thousands of times would be the search itself.
  macs, largest = simulation.macs_meter(), space.largest()
  return macs, [target / meter.measure(largest) * macs.measure(largest) for target in targets]


def _ends(options: SearchOptions, space: SearchSpace) -> dict[str, Any]:
  """What a run for another resource times at its end, tried on three networks."""
  with tempfile.TemporaryDirectory() as place:
    start = time.monotonic()
    values = timed_range(options, space, RunFolder(pathlib.Path(place) / "probe"))
    return {"values": values, "range": time.monotonic() - start}


def _spread(trajectory: Sequence[NetworkSpec]) -> list[NetworkSpec]:
  """The first, middle and last of the networks that a search goes through."""
  if not trajectory:
    return []
  return [trajectory[0], trajectory[len(trajectory) // 2], trajectory[-1]]


def _networks(
  bench: Workbench, given: RunOptions, model: SuperNetwork, simulated: Simulation
) -> dict[str, Any]:
  """{cost: `NetworkCosts`} of a network like the found one, and of the others if they count."""
  finetune, full = given.finetune, bench.space.largest()
  first = finetune.finetune_distillation or finetune.transfer in FROM_FULL
  teacher = None
  if finetune.finetune_distillation:
    network = training_stages.cut_out(bench, model, full)
    teacher = plain_training.teacher_of(bench, network, imitation(finetune))

  def costs_of(spec, teacher):
    return training_probe.network_costs(bench, model, spec, finetune, teacher, given.export)

  costs = {"found": costs_of(simulated.found[-1], teacher)}
  if given.references:
    costs["uniform"] = costs_of(simulated.uniform, teacher)
  if given.references or first or is_full_first(given.train) or finetune.transfer == "trajectory":
    costs["full"] = costs_of(full, None)
  return costs


def _sources(bench: Workbench, known: Iterable[str]) -> dict[str, str]:
  images = bench.train_options.batch_size
  words = {
    "super": f"steps of {images} images of the run's own, median; the first traces",
    "sample": "networks of the simulated search's beginning, middle and end, mean",
    "found": "the network that the simulated search ended with",
    "uniform": "the uniformly scaled network that is as fast",
    "full": "the full network",
    "piece": f"{device_probe.PIECES} layers of the table at most",
  }
  return {
    cost: next((text for word, text in words.items() if cost.startswith(word)), "once")
    for cost in known
  }
