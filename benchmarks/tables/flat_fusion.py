"""What the converter makes of operators that follow each other: one instead of several.

Read in files of TensorFlow 2.19 to 2.21; `tests/benchmarks/test_flat_operators.py` compares.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any

from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
  from collections.abc import Collection, Iterable

_FILTERS = ("CONV_2D", "DEPTHWISE_CONV_2D")
#: operators that an activation becomes part of
_TAKE_ACTIVATIONS = (*_FILTERS, "ADD", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D")
_ACTIVATIONS = {
  "RELU": schema.ActivationFunctionType.RELU,
  "RELU6": schema.ActivationFunctionType.RELU6,
}


@dataclasses.dataclass(frozen=True)
class Step:
  """An operator of a graph; `name` is that of the schema's `BuiltinOperator`."""

  name: str
  version: int
  operator: schema.OperatorT

  @property
  def is_open(self) -> bool:
    """Whether no activation is part of it yet."""
    options: Any = self.operator.builtinOptions
    return options.fusedActivationFunction == schema.ActivationFunctionType.NONE


def fused(steps: Iterable[Step], outputs: Collection[int], weights: Collection[int]) -> list[Step]:
  """The steps that are left; what their operators give changes in place.

  An activation becomes part of what gives its input, a factor and a term for every channel part of
  the convolution that does, if nobody else needs that input. Steps whose output nobody needs go.

  Args:
    steps: in the order in which they run.
    outputs: tensors that the graph gives.
    weights: constant tensors of one number for each channel.
  """
  steps = _needed(steps, outputs)
  uses = collections.Counter(tensor for step in steps for tensor in step.operator.inputs)
  uses.update(outputs)
  makers: dict[int, Step] = {}
  left = []
  for step in steps:
    before = makers.get(step.operator.inputs[0])
    if before and uses[step.operator.inputs[0]] == 1 and _joins(before, step, weights):
      before.operator.outputs = step.operator.outputs
    else:
      left.append(step)
      before = step
    makers[step.operator.outputs[0]] = before
  return left


def _joins(before: Step, step: Step, weights: Collection[int]) -> bool:
  """Makes `step` part of the step before it, if that can be."""
  if step.name in _ACTIVATIONS and before.name in _TAKE_ACTIVATIONS and before.is_open:
    options: Any = before.operator.builtinOptions
    options.fusedActivationFunction = _ACTIVATIONS[step.name]
    return True
  is_of_channels = step.name in ("MUL", "ADD") and step.operator.inputs[1] in weights
  return is_of_channels and before.name in _FILTERS and before.is_open and step.is_open


def _needed(steps: Iterable[Step], outputs: Iterable[int]) -> list[Step]:
  needed, left = set(outputs), []
  for step in reversed(list(steps)):
    if step.operator.outputs[0] in needed:
      left.append(step)
      needed.update(step.operator.inputs)
  return left[::-1]
