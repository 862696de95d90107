"""Measures the unit costs of a run; about a minute for a small one, and no file stays."""

import dataclasses
import pathlib
import tempfile
import time

from nadv2_tf.pipeline import metering, training_stages
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.plan import device_probe, simulation, training_probe
from nadv2_tf.pipeline.plan.costs import Costs
from nadv2_tf.pipeline.recipes import is_full_first
from nadv2_tf.resources.latency_table import LatencyTable

#: of the report: drawing needs Matplotlib; measured once, on two cores
REPORT_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Probe:
  """What was measured: `Costs`, the `Simulation` of the search, how many targets there are."""

  costs: Costs
  simulation: object
  targets: int


def probe(bench, given, start_seconds, tell):
  """Measures with the run's own settings, on its own images, under its own strategy.

  Args:
    bench: the `Workbench`.
    given: `Given` options.
    start_seconds: what the start has taken.
    tell: called with a sentence before each part.

  Raises:
    UnreachableTarget, TimingError, ValueError: as the run would.
  """
  tell("probing: latency" if metering.is_timed(given.search) else "probing: the search")
  found, simulated, targets = _search_side(bench, given)
  tell("probing: the super-network")
  model, trained = training_probe.super_network_costs(bench)
  tell("probing: scoring")
  scored = training_probe.score_costs(bench, model, _spread(simulated.trajectory), given.search)
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
  return Probe(costs, simulated, targets)


def _search_side(bench, given):
  """({cost: seconds} of what is timed, `Simulation`, number of targets)."""
  options, space, found = given.search, bench.space, {}
  with tempfile.TemporaryDirectory() as place:
    scratch = RunFolder(pathlib.Path(place) / "probe")
    meter = metering.ready_meter(options, space)
    start = time.monotonic()
    values = metering.resource_range(options, space, scratch, meter)
    seconds = time.monotonic() - start
    limits = metering.parse_limits(options.limit, space, scratch)
  targets = [target for target, _ in metering.parse_targets(options.target, values["largest"])]
  if meter is None:
    meter = simulation.likely_table(space, values)
    costs, measured = device_probe.table_costs(options, space, meter)
    found = {"range": seconds} | costs
    meter = simulation.likely_table(space, values, measured)
    if bench.folder.latency_table.exists():
      meter = LatencyTable.from_csv(bench.folder.latency_table)
  elif not meter.is_exact:
    # To ask it thousands of times would be the search itself.
    own, meter = meter, simulation.macs_meter()
    targets = [
      target / own.measure(space.largest()) * meter.measure(space.largest()) for target in targets
    ]
  exact = [(one, most) for one, most in limits if one.is_exact]
  simulated = simulation.simulate(options, space, meter, targets, exact, bench.seed)
  if given.references and metering.is_timed(options):
    uniform = device_probe.uniform_as_fast(options, space, targets[-1])
    simulated = dataclasses.replace(simulated, uniform=uniform)
  specs = _spread(simulated.trajectory) or [space.largest()]
  if not options.device.startswith(metering.TABLE_DEVICE):
    if not found:
      found = _ends(options, space)
      values, seconds = found.pop("values"), found["range"]
      meter = simulation.likely_table(space, values)
    found |= device_probe.timing_costs(options, space, specs, seconds, values, meter)
  return found, simulated, len(targets)


def _ends(options, space):
  """What a run for another resource times at its end, tried on three networks."""
  timed = dataclasses.replace(options, metric=metering.LATENCY)
  with tempfile.TemporaryDirectory() as place:
    start = time.monotonic()
    values = metering.resource_range(timed, space, RunFolder(pathlib.Path(place) / "probe"), None)
    return {"values": values, "range": time.monotonic() - start}


def _spread(trajectory):
  """The first, middle and last of the networks that a search goes through."""
  if not trajectory:
    return []
  return [trajectory[0], trajectory[len(trajectory) // 2], trajectory[-1]]


def _networks(bench, given, model, simulated):
  """{cost: `NetworkCosts`} of a network like the found one, and of the others if they count."""
  finetune, full = given.finetune, bench.space.largest()
  first = finetune.finetune_distillation or finetune.transfer == "full"
  teacher = None
  if finetune.finetune_distillation:
    network = training_stages.cut_out(bench, model, full)
    teacher = training_stages.teacher_of(bench, network, finetune.finetune_distillation)

  def costs_of(spec, teacher):
    return training_probe.network_costs(bench, model, spec, finetune, teacher, given.export)

  costs = {"found": costs_of(simulated.found[-1], teacher)}
  if given.references:
    costs["uniform"] = costs_of(simulated.uniform, teacher)
  if given.references or first or is_full_first(given.train) or finetune.transfer == "trajectory":
    costs["full"] = costs_of(full, None)
  return costs


def _sources(bench, known):
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
