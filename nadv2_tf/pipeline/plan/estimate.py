"""From what pieces of work cost, and how many a run has, to seconds of its stages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator

  from nadv2_tf.pipeline.plan.costs import Costs, NetworkCosts

#: rounds in which the uniformly scaled network is usually found; at most `SCALING_ROUNDS`
MATCHES = 2
#: a step of a new classifier alone, in steps of its whole network: it was 0.21 with
#: EfficientNet-Lite0, batches of 32 at 96x96, on 2 cores
HEAD_STEP = 0.21
#: a step of quantization-aware training, in steps of fine-tuning: an assumption
QAT_STEP = 2.0
DONE = "done"


@dataclasses.dataclass(frozen=True)
class Counts:
  """How much work a run is.

  Attributes:
    full_is_first: the full network is trained by itself before the super-network, for
      `plain_full_steps` of batches that are `full_batch_share` times those of fine-tuning.
    head_steps: of a given network's new classifier, before all else.
    full_steps, steps: of the super-network: the full network alone, and with ordered dropout.
    half_steps: of the super-network for each half of a search that trains it so; 0 for none.
    finetune_steps: of each network.
    networks: names of those that are trained on, with repeats for several targets.
    transfer_networks, transfer_steps: along the trajectory, of each found network; 0 for none.
    full_first: the full network, cut out of the super-network, is trained whether or not it is a
      reference.
    holdout, test: images.
    pieces, table_networks: of the latency table; 0 without.
    is_timed: latency on a device is the metric.
    times_at_end: the exported networks are timed.
    iterations, samples, confirmed: of the search.
    descent_steps: of a search that goes downhill in the super-network.
    matches: rounds of looking for uniformly scaled networks.
    qat_steps: of each network that is exported so.
    mixed_images: that a mixed file's blocks are judged by, one block after the other; the same.
    quantized: names whose further file is made.
    trust_networks, trust_steps: that are trained for the trust figure.
    done: names of the stages whose results are there, as `estimate` names them.
  """

  full_is_first: bool = False
  plain_full_steps: int = 0
  full_batch_share: float = 1.0
  head_steps: int = 0
  full_steps: int = 0
  steps: int = 0
  half_steps: int = 0
  finetune_steps: int = 0
  networks: tuple[str, ...] = ("found",)
  transfer_networks: int = 0
  transfer_steps: int = 0
  full_first: bool = False
  holdout: int = 0
  test: int = 0
  pieces: int = 0
  table_networks: int = 0
  is_timed: bool = False
  times_at_end: bool = True
  iterations: int = 0
  samples: int = 0
  descent_steps: int = 0
  confirmed: int = 0
  matches: int = 0
  qat_steps: int = 0
  mixed_images: int = 0
  quantized: tuple[str, ...] = ()
  trust_networks: int = 0
  trust_steps: int = 0
  done: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Stage:
  """A stage of stages.json: what it takes, and what that is made of.

  "confirm" is a part of "search" there; here, as in the report, it stands by itself.
  """

  name: str
  seconds: float
  made_of: str


def estimate(costs: Costs, counts: Counts) -> tuple[Stage, ...]:
  """The `Stage`s of a run in their order. What is done takes no time; what there is not has no row.

  Args:
    costs: `Costs`.
    counts: `Counts`.
  """
  rows = [
    _row("start", (1, "", costs.start)),
    *_table(costs, counts),
    *_train_full(costs, counts),
    _train(costs, counts),
    *_halves(costs, counts),
    _row(
      "search",
      (counts.samples - _of_later_half(counts), "samples", costs.sample + costs.propose),
      (counts.descent_steps, "steps downhill", costs.descend),
      # Beside the training, if there is one.
      (int("train" in counts.done), "trace", costs.score_build),
    ),
    _row("confirm", (counts.confirmed, "networks", costs.confirm)),
    _row("references", (counts.matches, "rounds of timing", costs.match)),
    *_finetunes(costs, counts),
    _export(costs, counts),
    _time(costs, counts),
    _trust(costs, counts),
    _row("report", (1, "", costs.report)),
  ]
  return tuple(
    Stage(row.name, 0.0, DONE) if row.name in counts.done else row
    for row in rows
    if row.seconds > 0
  )


def total(stages: Iterable[Stage]) -> float:
  """Seconds of all."""
  return sum(stage.seconds for stage in stages)


def _row(name, *parts):
  """The stage of parts (how many, of what, seconds each)."""
  counted = [part for part in parts if part[0] and part[2]]
  told = [
    f"{count} {what} x {_each(seconds)}" if count > 1 else f"{what} {_each(seconds)}".strip()
    for count, what, seconds in counted
  ]
  return Stage(name, sum(count * seconds for count, _, seconds in counted), ", ".join(told))


def _each(seconds: float) -> str:
  return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _table(costs: Costs, counts: Counts) -> Iterator[Stage]:
  if not counts.is_timed:
    return
  yield _row(
    "table",
    (counts.pieces, "layers", costs.piece),
    (counts.table_networks, "networks", costs.table_network),
    (1, "smallest, middle, largest network", costs.range),
    (1, "choosing networks", costs.choose),
  )


def _train_full(costs: Costs, counts: Counts) -> Iterator[Stage]:
  if counts.full_is_first:
    yield _row(
      "train full",
      (
        counts.head_steps,
        "steps of the classifier",
        HEAD_STEP * counts.full_batch_share * costs.full.step,
      ),
      (counts.plain_full_steps, "steps", counts.full_batch_share * costs.full.step),
      (1, "trace", costs.full.prepare),
      (counts.holdout + counts.test, "images evaluated", costs.full.image),
    )


def _train(costs: Costs, counts: Counts) -> Stage:
  return _row(
    "train",
    (counts.full_steps, "steps of the full network", costs.super_full_step),
    (counts.steps, "steps", costs.super_step),
    (1, "trace", costs.super_build),
  )


def _of_later_half(counts: Counts) -> int:
  """How many of the samples are scored before the super-network is trained for the earlier half."""
  return counts.samples // 2 if counts.half_steps else 0


def _halves(costs: Costs, counts: Counts) -> Iterator[Stage]:
  if not counts.half_steps:
    return
  # A training has a step of its own, which is traced.
  parts = (counts.half_steps, "steps", costs.super_step), (1, "trace", costs.super_build)
  yield _row("train later half", *parts)
  samples = _of_later_half(counts)
  yield _row("search later half", (samples, "samples", costs.sample + costs.propose))
  yield _row("train earlier half", *parts)


def _finetunes(costs: Costs, counts: Counts) -> Iterator[Stage]:
  names = list(counts.networks)
  if counts.full_is_first:
    names = [name for name in names if name != "full"]
  elif counts.full_first and "full" not in names:
    names.insert(0, "full")
  for name in dict.fromkeys(names):
    own, times = _of(costs, name), names.count(name)
    parts = [
      (times * counts.finetune_steps, "steps", own.step),
      (times, "traces" if times > 1 else "trace", own.prepare),
      (times * (2 * counts.holdout + counts.test), "images evaluated", own.image),
    ]
    if name == "found" and counts.transfer_networks:
      step = (costs.found.step + costs.full.step) / 2  # sizes fall from one to the other
      networks = times * counts.transfer_networks
      parts += [
        (networks * counts.transfer_steps, "steps along the trajectory", step),
        (networks, "traces along it", own.prepare),
      ]
    yield _row(f"finetune {name}", *parts)


def _of(costs: Costs, name: str) -> NetworkCosts:
  if name == "uniform" and costs.uniform:
    return costs.uniform
  return costs.full if name == "full" else costs.found


def _export(costs: Costs, counts: Counts) -> Stage:
  parts = []
  for name in dict.fromkeys(counts.networks):
    own, times = _of(costs, name), counts.networks.count(name)
    files = times * (1 + (name in counts.quantized))
    parts += [
      (times, f"{name}:", own.export),
      (files * counts.test, "images evaluated", own.file_image),
    ]
    if name in counts.quantized:
      parts += [
        (times, f"{name} quantized:", own.export_quantized),
        (times * counts.qat_steps, "steps of quantization-aware training", QAT_STEP * own.step),
        (times * counts.mixed_images, "images, block after block in int8", own.file_image),
      ]
  return _row("export", *parts)


def _time(costs: Costs, counts: Counts) -> Stage:
  networks = len(counts.networks) if counts.times_at_end else 0
  return _row("time", (networks, "networks", costs.time))


def _trust(costs: Costs, counts: Counts) -> Stage:
  own, times = costs.found, counts.trust_networks
  return _row(
    "trust",
    (times * counts.trust_steps, "steps", own.step),
    (times, "traces", own.prepare),
    (times * counts.test, "images evaluated", own.image),
  )
