"""What a method may need beyond a score and one number for each network.

An optimizer says so in an attribute `needs`, a tuple of `Need`s; those without one need nothing. It
is checked before anything is trained, and again where a search begins.
"""

import dataclasses
from typing import Protocol, runtime_checkable

from nadv2_tf.search.problem import (
  Evaluator,
  Optimizer,
  Problem,
  ResourceMeter,
  SlopingEvaluator,
)
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.shapes import LayerShape


@runtime_checkable
class AdditiveMeter(ResourceMeter, Protocol):
  """A meter whose value adds up over the blocks, but for what a network as a whole may add."""

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    """One cost for each block of `spec`, in `unit`."""


@runtime_checkable
class LatencyMeter(AdditiveMeter, Protocol):
  """A meter that knows single layers, whatever network they are in: a measured table."""

  def layer_milliseconds(self, layer: LayerShape) -> float:
    """Milliseconds of one layer, its bypass included."""


class UnmetNeed(ValueError):
  """The metric, or what scores, has not what a method needs."""


@dataclasses.dataclass(frozen=True)
class Need:
  """Something that a method asks for.

  Attributes:
    of: "metric" or "evaluator", which must answer it.
    kind: a runtime protocol.
    what: it is, in words that follow "needs".
    remedy: what has it, a sentence.
  """

  of: str
  kind: type
  what: str
  remedy: str

  def is_met_by(self, asked: object) -> bool:
    """Whether `asked` has it; a meter must be exact besides, or each block would be measured."""
    return isinstance(asked, self.kind) and bool(getattr(asked, "is_exact", True))


#: a cost for each block
ADDITIVE = Need(
  "metric",
  AdditiveMeter,
  "a metric that adds up over the blocks",
  "Take --metric=macs, parameters, size_bytes or latency_ms of a table, or give your meter "
  "block_costs(spec).",
)

#: the slopes of a loss
SLOPES = Need(
  "evaluator",
  SlopingEvaluator,
  "an evaluator that tells the slopes of its loss",
  "A super-network does; elsewhere take --slopes=surrogate.",
)


def name_of(optimizer: Optimizer) -> str:
  """The name that an optimizer is registered under, else that of its class."""
  names = (name for name in OPTIMIZERS if OPTIMIZERS[name] is type(optimizer))
  return next(names, type(optimizer).__name__)


def check_metric(optimizer: Optimizer, problem: Problem) -> None:
  """Raises `UnmetNeed` if the problem's meter has not what the optimizer needs."""
  meter = problem.meter
  _check("metric", optimizer, meter, f"--metric in {meter.unit} ({type(meter).__name__})")


def check_evaluator(optimizer: Optimizer, evaluator: Evaluator | None) -> None:
  """Raises `UnmetNeed` if the evaluator has not what the optimizer needs."""
  _check("evaluator", optimizer, evaluator, type(evaluator).__name__)


def _check(of: str, optimizer: Optimizer, asked: object, title: str) -> None:
  for need in getattr(optimizer, "needs", ()):
    if need.of == of and not need.is_met_by(asked):
      raise UnmetNeed(
        f"--search_optimizer={name_of(optimizer)} needs {need.what}, which {title} is not. "
        f"{need.remedy}"
      )
