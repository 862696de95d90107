"""What is timed, described once for both ways of writing its file."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.spec.blocks import Padding, Window


class Operators(Protocol):
  """Layers with random weights, batch norm folded in. Values `x` have a `shape` and are sliced."""

  def convolution(
    self,
    x: Any,
    filters: int,
    kernel: int,
    stride: int,
    activation: str,
    padding: Padding | None = None,
  ) -> Any: ...
  def dense(self, x: Any, filters: int) -> Any: ...
  def depthwise(
    self, x: Any, kernel: int, stride: int, activation: str, padding: Padding | None = None
  ) -> Any: ...
  def squeeze_excite(self, x: Any, units: int, activation: str, gate: str) -> Any: ...
  def activated(self, x: Any, activation: str) -> Any: ...
  def norm(self, x: Any, activation: str) -> Any: ...
  def rescaled(self, x: Any, scale: tuple[float, ...], offset: tuple[float, ...]) -> Any: ...
  def window_pool(self, x: Any, window: Window) -> Any: ...
  def add(self, x: Any, y: Any) -> Any: ...
  def plus_one(self, x: Any) -> Any: ...
  def downsampled(self, x: Any, stride: int) -> Any: ...
  def padded(self, x: Any, channels: int) -> Any: ...
  def joined(self, parts: Sequence[Any]) -> Any: ...
  def pooled(self, x: Any) -> Any: ...
  def upsampled(self, x: Any, factor: int) -> Any: ...
  def reshaped(self, x: Any, shape: tuple[int, ...]) -> Any: ...


@dataclasses.dataclass(frozen=True)
class TimedGraph:
  """A network or layers as a function of their operators.

  Attributes:
    inputs: {name: shape}, batch size 1.
    build: (`Operators`, an input value for each of `inputs`) -> sequence of output values.
  """

  inputs: dict[str, tuple[int, ...]]
  build: Callable[..., Sequence[Any]]

  def file(self, precision: str, integer_io: bool = False) -> bytes:
    """Its TFLite file, as bytes; float32 ones are written without TensorFlow.

    Args:
      precision: "float32" or "int8".
      integer_io: int8 inputs and outputs, of int8 files only.
    """
    if precision == "float32":
      from nadv2_tf.benchmarks.tables.flat_operators import flat_file

      return flat_file(self)
    from nadv2_tf.benchmarks.tables.operators import converted_file

    return converted_file(self, precision, integer_io)
