"""A whole network as a TFLite file with random weights, for timing.

Latency does not depend on the weights, so nothing is trained or cut, and no Keras model is built:
the file has the operators that `export.to_tflite` gives the stand-alone network, in a fortieth of
the converter's time (float32; int8 files go through the converter).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.tables.timed_graph import TimedGraph
from nadv2_tf.models.static_maker import StaticMaker
from nadv2_tf.models.wiring import wire
from nadv2_tf.spec import channels

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.tables.timed_graph import Operators
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Filters, Window


class _FileMaker(StaticMaker):
  """Maker of timed layers, batch size 1.

  Args:
    spec: the `NetworkSpec`.
    operators: `Operators`, whose values are passed along.
  """

  def __init__(self, spec: NetworkSpec, operators: Operators) -> None:
    super().__init__(spec)
    self._operators = operators

  def convolution(self, x: Any, filters: Filters) -> Any:
    convolved = None
    if filters.kept:
      convolved = self._operators.convolution(
        x, filters.kept, filters.kernel, filters.stride, filters.activation, filters.padding
      )
    return self._joined(x, convolved, filters.kept, filters.bypass_cap, filters.stride)

  def depthwise(self, x: Any, filters: Filters) -> Any:
    in_channels = x.shape[-1]
    kept = channels.depthwise_kept(in_channels, filters.kept)
    convolved = None
    if kept:
      convolved = self._operators.depthwise(
        x if kept == in_channels else x[..., :kept],
        filters.kernel,
        filters.stride,
        filters.activation,
        filters.padding,
      )
    return self._joined(x, convolved, kept, None, filters.stride)

  def squeeze_excite(
    self,
    x: Any,
    units: int,
    skipped: bool,
    activation: str,
    gate: str,
  ) -> Any:
    return x if skipped else self._operators.squeeze_excite(x, units, activation, gate)

  def activation(self, x: Any, activation: str) -> Any:
    return self._operators.activated(x, activation)

  def norm(self, x: Any, activation: str) -> Any:
    return self._operators.norm(x, activation)

  def rescale(self, x: Any, scale: tuple[float, ...], offset: tuple[float, ...]) -> Any:
    return self._operators.rescaled(x, scale, offset)

  def window_pool(self, x: Any, window: Window) -> Any:
    return self._operators.window_pool(x, window)

  def add(self, shortcut: Any, x: Any) -> Any:
    most = max(shortcut.shape[-1], x.shape[-1])
    padded = self._operators.padded
    return self._operators.add(padded(shortcut, most), padded(x, most))

  def upsample(self, x: Any, factor: int) -> Any:
    return self._operators.upsampled(x, factor)

  def global_pool(self, x: Any) -> Any:
    return self._operators.pooled(x)

  def dropout(self, x: Any, rate: float) -> Any:
    return x

  def classifier(self, x: Any, classes: int) -> Any:
    logits = self._operators.dense(x, classes)
    return self._operators.reshaped(logits, (1, classes))

  def _joined(self, x: Any, convolved: Any, kept: int, bypass_cap: int | None, stride: int) -> Any:
    downsampled = functools.partial(self._operators.downsampled, stride=stride)
    return channels.join(x, convolved, kept, bypass_cap, downsampled, self._operators.joined)


def network_graph(spec: NetworkSpec) -> TimedGraph:
  """The `TimedGraph` of a `NetworkSpec`."""

  def build(operators: Operators, images: Any) -> list[Any]:
    return [wire(spec, _FileMaker(spec, operators), images)]

  return TimedGraph({"images": (1, *spec.input_shape)}, build)


def network_file(spec: NetworkSpec, precision: str = "float32") -> bytes:
  """The bytes of a TFLite file that runs `spec`, batch size 1; its input and output are float32.

  Args:
    spec: a `NetworkSpec`.
    precision: "float32" or "int8".
  """
  return network_graph(spec).file(precision)
