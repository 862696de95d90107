"""The layers of a network as TensorFlow operators with random weights, as TFLite runs them.

Batch norm is folded into kernel and bias, and the activation follows at once, so that the converter
fuses what it fuses in an exported network.
"""

import numpy as np
import tensorflow as tf
from nadv2_tf.export.quantization import Quantization, convert


def _weights(*shape):
  """Random constants. Each differs from all others: equal ones would share one buffer."""
  values = np.random.default_rng(next(_SEEDS)).normal(0, 0.1, shape)
  return tf.constant(values.astype(np.float32))


def _seeds():
  seed = 0
  while True:
    yield seed
    seed += 1


_SEEDS = _seeds()


def _activate(x, name):
  if name == "relu":
    return tf.nn.relu(x)
  if name == "hard_swish":
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
  return x


def convolution(x, filters, kernel, stride, activation):
  kernels = _weights(kernel, kernel, x.shape[-1], filters)
  return _activate(tf.nn.conv2d(x, kernels, stride, "SAME") + _weights(filters), activation)


def depthwise(x, kernel, stride, activation):
  channels = x.shape[-1]
  kernels = _weights(kernel, kernel, channels, 1)
  y = tf.nn.depthwise_conv2d(x, kernels, (1, stride, stride, 1), "SAME") + _weights(channels)
  return _activate(y, activation)


def squeeze_excite(x, units):
  gate = convolution(pooled(x), units, 1, 1, "relu")
  gate = convolution(gate, x.shape[-1], 1, 1, "linear")
  return x * (tf.nn.relu6(gate + 3.0) * (1.0 / 6.0))


def downsampled(x, stride):
  return x if stride == 1 else tf.nn.avg_pool2d(x, 2, stride, "SAME")


def padded(x, channels):
  missing = channels - x.shape[-1]
  return tf.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing))) if missing else x


def pooled(x):
  return tf.reduce_mean(x, (1, 2), keepdims=True)


def upsampled(x, factor):
  return tf.image.resize(x, (x.shape[1] * factor, x.shape[2] * factor), "nearest")


def converted(concrete_function, precision, integer_io=False):
  """The TFLite file, as bytes, of a function with random weights.

  For int8 the ranges come from one random input for each argument: they decide what is computed,
  not how long it takes.
  """
  if precision == "float32":
    return convert(concrete_function)
  rng = np.random.default_rng(0)
  inputs = tuple(rng.normal(size=one.shape).astype(np.float32) for one in concrete_function.inputs)
  return convert(concrete_function, Quantization("int8", inputs=(inputs,), integer_io=integer_io))
