"""The timed pieces of a network (`resources/latency_table.py`) as small TFLite files."""

import tensorflow as tf
from nadv2_tf.benchmarks import operators

from nadv2_tf.spec import channels

#: copies of a piece in one file: an interpreter call costs about as much as a small layer
COPIES = 4


def _conv(piece, x):
  return operators.convolution(x, piece.kept, piece.kernel, piece.stride, piece.activation)


def _depthwise(piece, x):
  return operators.depthwise(x, piece.kernel, piece.stride, piece.activation)


def _squeeze_excite(piece, x):
  return operators.squeeze_excite(x, piece.squeeze)


def _bypass(piece, x):
  """Half of the channels go around: cut out, pooled if the layer has a stride, joined again."""
  half = max(piece.in_channels // 2, 1)
  passed = x[..., half:] if half < piece.in_channels else x
  passed = operators.downsampled(passed, piece.stride)
  height = channels.output_size(piece.in_height, piece.stride)
  width = channels.output_size(piece.in_width, piece.stride)
  return tf.concat([x[:, :height, :width, :half], passed], axis=-1)


def _add(piece, x, shortcut):
  return x + shortcut


def _padded_add(piece, x, shortcut):
  return x + operators.padded(shortcut, piece.in_channels)


def _pool(piece, x):
  return operators.pooled(x)


def _upsample(piece, x):
  return operators.upsampled(x, piece.stride)


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


def piece_file(piece, copies=COPIES, precision="float32"):
  """A TFLite file, as bytes, that runs `copies` of a piece on inputs of their own.

  int8 files take and give int8: inside a network nothing is converted between layers.

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

  function = tf.function(build).get_concrete_function(*signature)
  return operators.converted(function, precision, integer_io=True)
