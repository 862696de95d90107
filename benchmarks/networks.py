"""A whole network as a TFLite file with random weights, for timing.

Latency does not depend on the weights, so nothing is trained or cut, and no Keras model is built:
the file has the operators that `export.to_tflite` gives the stand-alone network, in a tenth of the
time.
"""

import tensorflow as tf
from nadv2_tf.benchmarks import operators

from nadv2_tf.models.wiring import LayerMaker, wire
from nadv2_tf.spec import channels


class _FileMaker(LayerMaker):
  """Maker whose values are TensorFlow tensors, batch size 1."""

  def __init__(self, spec):
    super().__init__()
    self._spec = spec

  def convolution(self, x, filters):
    in_channels = x.shape[-1]
    convolved = None
    if filters.kept:
      convolved = operators.convolution(
        x, filters.kept, filters.kernel, filters.stride, filters.activation
      )
    cap = in_channels if filters.bypass_cap is None else min(in_channels, filters.bypass_cap)
    return _joined(x, convolved, filters.kept, cap, filters.stride)

  def depthwise(self, x, filters):
    in_channels = x.shape[-1]
    kept = channels.depthwise_kept(in_channels, filters.kept)
    convolved = None
    if kept:
      convolved = operators.depthwise(
        x if kept == in_channels else x[..., :kept],
        filters.kernel,
        filters.stride,
        filters.activation,
      )
    return _joined(x, convolved, kept, in_channels, filters.stride)

  def squeeze_excite(self, x, units, skipped):
    return x if skipped else operators.squeeze_excite(x, units)

  def add(self, shortcut, x):
    most = max(shortcut.shape[-1], x.shape[-1])
    return operators.padded(shortcut, most) + operators.padded(x, most)

  def upsample(self, x, factor):
    return operators.upsampled(x, factor)

  def global_pool(self, x):
    return operators.pooled(x)

  def dropout(self, x, rate):
    return x

  def classifier(self, x, classes):
    return tf.reshape(operators.convolution(x, classes, 1, 1, "linear"), (1, classes))

  def all_removed(self, fields):
    return all(getattr(self._spec.blocks[self.block_index], field) == 0 for field in fields)

  def choose(self, condition, if_true, if_false):
    return if_true() if condition else if_false()


def _joined(x, convolved, kept, bypassed_until, stride):
  """The filtered channels, and beside them those of `x` from `kept` on that go around."""
  if bypassed_until <= kept:
    return convolved
  passed = x if (kept, bypassed_until) == (0, x.shape[-1]) else x[..., kept:bypassed_until]
  passed = operators.downsampled(passed, stride)
  return passed if convolved is None else tf.concat([convolved, passed], axis=-1)


def network_file(spec, precision="float32"):
  """The bytes of a TFLite file that runs `spec`, batch size 1; its input and output are float32.

  Args:
    spec: a `NetworkSpec`.
    precision: "float32" or "int8".
  """

  def network(images):
    return wire(spec, _FileMaker(spec), images)

  signature = tf.TensorSpec((1, *spec.input_shape), name="images")
  function = tf.function(network, autograph=False).get_concrete_function(signature)
  return operators.converted(function, precision)
