"""A whole network as a TFLite file with random weights, for timing.

Latency does not depend on the weights, so nothing is trained or cut, and no Keras model is built:
the file has the operators that `export.to_tflite` gives the stand-alone network, in a hundredth of
the time (float32; int8 files go through the converter).
"""

from nadv2_tf.benchmarks.timed_graph import TimedGraph

from nadv2_tf.models.wiring import LayerMaker, wire
from nadv2_tf.spec import channels


class _FileMaker(LayerMaker):
  """Maker of timed layers, batch size 1.

  Args:
    spec: the `NetworkSpec`.
    operators: `Operators`, whose values are passed along.
  """

  def __init__(self, spec, operators):
    super().__init__()
    self._spec = spec
    self._operators = operators

  def convolution(self, x, filters):
    in_channels = x.shape[-1]
    convolved = None
    if filters.kept:
      convolved = self._operators.convolution(
        x, filters.kept, filters.kernel, filters.stride, filters.activation
      )
    cap = in_channels if filters.bypass_cap is None else min(in_channels, filters.bypass_cap)
    return self._joined(x, convolved, filters.kept, cap, filters.stride)

  def depthwise(self, x, filters):
    in_channels = x.shape[-1]
    kept = channels.depthwise_kept(in_channels, filters.kept)
    convolved = None
    if kept:
      convolved = self._operators.depthwise(
        x if kept == in_channels else x[..., :kept],
        filters.kernel,
        filters.stride,
        filters.activation,
      )
    return self._joined(x, convolved, kept, in_channels, filters.stride)

  def squeeze_excite(self, x, units, skipped):
    return x if skipped else self._operators.squeeze_excite(x, units)

  def add(self, shortcut, x):
    most = max(shortcut.shape[-1], x.shape[-1])
    padded = self._operators.padded
    return self._operators.add(padded(shortcut, most), padded(x, most))

  def upsample(self, x, factor):
    return self._operators.upsampled(x, factor)

  def global_pool(self, x):
    return self._operators.pooled(x)

  def dropout(self, x, rate):
    return x

  def classifier(self, x, classes):
    logits = self._operators.convolution(x, classes, 1, 1, "linear")
    return self._operators.reshaped(logits, (1, classes))

  def all_removed(self, fields):
    return all(getattr(self._spec.blocks[self.block_index], field) == 0 for field in fields)

  def choose(self, condition, if_true, if_false):
    return if_true() if condition else if_false()

  def _joined(self, x, convolved, kept, bypassed_until, stride):
    """The filtered channels, and beside them those of `x` from `kept` on that go around."""
    if bypassed_until <= kept:
      return convolved
    passed = x if (kept, bypassed_until) == (0, x.shape[-1]) else x[..., kept:bypassed_until]
    passed = self._operators.downsampled(passed, stride)
    return passed if convolved is None else self._operators.joined([convolved, passed])


def network_graph(spec):
  """The `TimedGraph` of a `NetworkSpec`."""

  def build(operators, images):
    return [wire(spec, _FileMaker(spec, operators), images)]

  return TimedGraph({"images": (1, *spec.input_shape)}, build)


def network_file(spec, precision="float32"):
  """The bytes of a TFLite file that runs `spec`, batch size 1; its input and output are float32.

  Args:
    spec: a `NetworkSpec`.
    precision: "float32" or "int8".
  """
  return network_graph(spec).file(precision)
