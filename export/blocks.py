"""Which block of a network each operator of its file belongs to, and what of it is in int8."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.export.tflite import interpreter

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence
  from typing import Any

#: as layers are named: `models/parts/names.py`
_NAME = re.compile(r"(?:^|/)block(\d+)_")
#: between float and int8; they belong to no block
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
#: give numbers that they take, or means of them: the converter may put them on either side of a
#: conversion, and so into the precision of the block in front
MOVING = (
  *("AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "PADV2", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR"),
  *("SLICE", "STRIDED_SLICE", "TRANSPOSE"),
)
#: types that a precision is told by; biases, shapes and axes are int32 in either
PRECISIONS = ("float32", "int8")
#: of an int8 tensor, for each of its scales: the scale, and its zero point
_BYTES_OF_SCALE = 4 + 8


@dataclasses.dataclass(frozen=True)
class Operator:
  """An operator of a file.

  Attributes:
    block: the number of its block, from 1; None of a network whose layers do not say.
    outputs: names of the tensors that it gives.
    types: of its inputs and outputs, those of `PRECISIONS`.
    constant_bytes: of constants that no operator before it has, their scales included.
  """

  block: int | None
  name: str
  outputs: tuple[str, ...]
  types: frozenset[str]
  constant_bytes: int


def operators(content: bytes) -> list[Operator]:
  """The operators of a file, given as bytes, in its order, but the `CONVERSIONS`.

  An operator whose output is not named after a layer (a slice, zeros around an image) belongs to
  the block that takes its output; at the end of the network, to that of its input. Several layers
  in one operator belong to the first of their blocks, whose kernel it is.
  """
  made = interpreter(content, delegates=False)
  details = {one["index"]: one for one in made.get_tensor_details()}
  steps = made._get_ops_details()
  produced = {int(tensor) for step in steps for tensor in step["outputs"]}
  produced |= {one["index"] for one in made.get_input_details()}
  numbers = _blocks(steps, details)
  found, known = [], set(produced)
  for step, block in zip(steps, numbers, strict=True):
    tensors = [int(tensor) for tensor in (*step["inputs"], *step["outputs"]) if tensor >= 0]
    constants = [tensor for tensor in tensors if tensor not in known]
    known |= set(constants)
    types = {np.dtype(details[tensor]["dtype"]).name for tensor in tensors}
    one = Operator(
      block,
      step["op_name"],
      tuple(details[int(tensor)]["name"] for tensor in step["outputs"]),
      frozenset(types.intersection(PRECISIONS)),
      sum(_bytes(details[tensor]) for tensor in constants),
    )
    if one.name not in CONVERSIONS:
      found.append(one)
  return found


def by_block(operators: Iterable[Operator]) -> dict[int, list[Operator]]:
  """{number of a block: its operators}, in order, of the blocks that do more than `MOVING`."""
  blocks: dict[int, list[Operator]] = {}
  for operator in operators:
    if operator.block is not None:
      blocks.setdefault(operator.block, []).append(operator)
  return {block: found for block, found in blocks.items() if any(map(_computes, found))}


def _computes(operator: Operator) -> bool:
  return operator.name not in MOVING


def precisions(content: bytes) -> dict[int, frozenset[str]]:
  """{number of a block: those of `PRECISIONS` that its operators read and give}, `MOVING` apart."""
  return {
    block: frozenset().union(*(one.types for one in filter(_computes, found)))
    for block, found in by_block(operators(content)).items()
  }


def conversions(content: bytes) -> int:
  """How many operators of a file make int8 of float or float of int8."""
  steps = interpreter(content, delegates=False)._get_ops_details()
  return sum(step["op_name"] in CONVERSIONS for step in steps)


def _blocks(
  steps: Sequence[Mapping[str, Any]], details: Mapping[int, Mapping[str, Any]]
) -> list[int | None]:
  """The block of every operator, see `operators`."""
  numbers = [_named(step, details) for step in steps]
  taken_by: dict[int, int] = {}  # tensor -> the block that takes it first
  for at in reversed(range(len(steps))):
    if numbers[at] is None:
      outputs = (int(tensor) for tensor in steps[at]["outputs"])
      numbers[at] = next((taken_by[tensor] for tensor in outputs if tensor in taken_by), None)
    block = numbers[at]
    if block is not None:
      taken_by |= dict.fromkeys(map(int, steps[at]["inputs"]), block)
  given_by: dict[int, int] = {}
  for at, step in enumerate(steps):
    if numbers[at] is None:
      inputs = map(int, step["inputs"])
      numbers[at] = next((given_by[tensor] for tensor in inputs if tensor in given_by), None)
    block = numbers[at]
    if block is not None:
      given_by |= dict.fromkeys(map(int, step["outputs"]), block)
  return numbers


def _named(step: Mapping[str, Any], details: Mapping[int, Mapping[str, Any]]) -> int | None:
  """The first block in the names of an operator's outputs; a conversion has its neighbours'."""
  if step["op_name"] in CONVERSIONS:
    return None
  names = (part for tensor in step["outputs"] for part in details[int(tensor)]["name"].split(";"))
  found = [int(match[1]) for match in map(_NAME.search, names) if match]
  return min(found, default=None)


def _bytes(details: Mapping[str, Any]) -> int:
  """Of a constant as it is stored."""
  count = int(np.prod(details["shape"])) * np.dtype(details["dtype"]).itemsize
  return count + _BYTES_OF_SCALE * len(details["quantization_parameters"]["scales"])
