"""MACs, parameters and bytes as resource meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from nadv2_tf.spec.registry import Registry

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape

T = TypeVar("T")

#: name of the metric -> meter type
COUNTS = Registry("counted metric")
#: blocks whose cost is remembered
LARGEST_MEMORY = 65536
BYTES_OF_FLOAT32 = 4


class BlockMemory(Generic[T]):
  """What a function gives for the layers of every block of a network, remembered block by block.

  Args:
    value: a function of a tuple of `LayerShape`s, skip adds with the block they end at.
  """

  def __init__(self, value: Callable[[tuple[LayerShape, ...]], T]) -> None:
    self._value = value
    self._known: dict[int, tuple[tuple[LayerShape, ...], T]] = {}

  def of_blocks(self, spec: NetworkSpec) -> tuple[T, ...]:
    return tuple(map(self._of_block, spec.layers()))

  def _of_block(self, layers: tuple[LayerShape, ...]) -> T:
    # Equal blocks share one tuple of layers (`spec.shapes.block_shapes`), so its identity tells
    # it, a hundred times faster than its hash. The tuple is kept, so no other takes its id.
    entry = self._known.get(id(layers))
    if entry is None:
      if len(self._known) >= LARGEST_MEMORY:
        self._known.clear()
      entry = self._known[id(layers)] = (layers, self._value(layers))
    return entry[1]


class _CountMeter:
  """A sum over layers; exact and free, so nothing of it needs a journal."""

  is_exact = True
  #: of one layer
  _cost: Callable[[LayerShape], float]

  def __init__(self) -> None:
    self._costs = BlockMemory(lambda layers: sum(map(self._cost, layers)))

  def measure(self, spec: NetworkSpec) -> float:
    return float(sum(self.block_costs(spec)))

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    """The resource of every block, skip adds with the block they end at."""
    return self._costs.of_blocks(spec)


@COUNTS.register("macs")
class MacsMeter(_CountMeter):
  """Multiply-accumulates at batch 1: conv, dense and squeeze-and-excite products."""

  unit = "MACs"

  @staticmethod
  def _cost(layer: LayerShape) -> float:
    return layer.macs()


@COUNTS.register("parameters")
class ParametersMeter(_CountMeter):
  """Trainable parameters."""

  unit = "parameters"

  @staticmethod
  def _cost(layer: LayerShape) -> float:
    return layer.parameters()


@COUNTS.register("size_bytes")
class SizeMeter(_CountMeter):
  """Bytes of the exported float32 weights: 4 for every kernel weight and every bias.

  Batch norm is folded: its scale goes into the kernel, its shift into the bias. A .tflite file is
  larger, because it also holds the graph: operators, shapes and names.
  """

  unit = "bytes"

  @staticmethod
  def _cost(layer: LayerShape) -> float:
    return BYTES_OF_FLOAT32 * layer.exported_weights()
