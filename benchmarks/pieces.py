"""The timed pieces of a network (`resources/latency_table.py`) as small TFLite files."""

import numpy as np
import tensorflow as tf
from nadv2_tf.export.tflite import convert

from nadv2_tf.spec import channels

#: copies of a piece in one file: an interpreter call costs about as much as a small layer
COPIES = 4


def _weights(*shape):
  return tf.constant(np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32))


def _activate(x, name):
  if name == "relu":
    return tf.nn.relu(x)
  if name == "hard_swish":
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
  return x


def _conv(piece, x):
  kernel = _weights(piece.kernel, piece.kernel, piece.in_channels, piece.kept)
  y = tf.nn.conv2d(x, kernel, piece.stride, "SAME") + _weights(piece.kept)
  return _activate(y, piece.activation)


def _depthwise(piece, x):
  kernel = _weights(piece.kernel, piece.kernel, piece.kept, 1)
  strides = (1, piece.stride, piece.stride, 1)
  y = tf.nn.depthwise_conv2d(x, kernel, strides, "SAME") + _weights(piece.kept)
  return _activate(y, piece.activation)


def _squeeze_excite(piece, x):
  live = piece.in_channels
  gate = tf.reduce_mean(x, (1, 2), keepdims=True)
  gate = tf.nn.relu(
    tf.nn.conv2d(gate, _weights(1, 1, live, piece.squeeze), 1, "SAME") + _weights(piece.squeeze)
  )
  gate = tf.nn.conv2d(gate, _weights(1, 1, piece.squeeze, live), 1, "SAME") + _weights(live)
  return x * (tf.nn.relu6(gate + 3.0) * (1.0 / 6.0))


def _bypass(piece, x):
  """Half of the channels go around: cut out, pooled if the layer has a stride, joined again."""
  half = max(piece.in_channels // 2, 1)
  passed = x[..., half:] if half < piece.in_channels else x
  if piece.stride > 1:
    passed = tf.nn.avg_pool2d(passed, 2, piece.stride, "SAME")
  height = channels.output_size(piece.in_height, piece.stride)
  width = channels.output_size(piece.in_width, piece.stride)
  return tf.concat([x[:, :height, :width, :half], passed], axis=-1)


def _add(piece, x, shortcut):
  return x + shortcut


def _padded_add(piece, x, shortcut):
  missing = piece.in_channels - shortcut.shape[-1]
  return x + tf.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing)))


def _pool(piece, x):
  return tf.reduce_mean(x, (1, 2), keepdims=True)


def _upsample(piece, x):
  size = (piece.in_height * piece.stride, piece.in_width * piece.stride)
  return tf.image.resize(x, size, "nearest")


BUILDERS = {
  "conv": _conv,
  "depthwise": _depthwise,
  "squeeze_excite": _squeeze_excite,
  "bypass": _bypass,
  "add": _add,
  "padded_add": _padded_add,
  "pool": _pool,
  "upsample": _upsample,
}


def piece_file(piece, copies=COPIES):
  """A TFLite file, as bytes, that runs `copies` of a piece on inputs of their own.

  Args:
    piece: a `Piece`, or None for the smallest file there is, whose time is a call's overhead.
  """
  if piece is None:
    signature = [tf.TensorSpec((1, 1, 1, 4))]
    build = lambda x: x + 1.0  # noqa: E731
  else:
    inputs = [tf.TensorSpec((1, piece.in_height, piece.in_width, piece.in_channels))]
    if piece.kind == "add":
      inputs *= 2
    if piece.kind == "padded_add":
      inputs.append(
        tf.TensorSpec((1, piece.in_height, piece.in_width, max(piece.in_channels // 2, 1)))
      )
    signature = [tuple(inputs)] * copies

    def build(*all_inputs):
      return [BUILDERS[piece.kind](piece, *inputs) for inputs in all_inputs]

  return convert(tf.function(build).get_concrete_function(*signature))
