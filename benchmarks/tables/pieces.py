"""The timed pieces of a network (`resources/pieces.py`) as small TFLite files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.tables.timed_graph import TimedGraph
from nadv2_tf.spec import channels
from nadv2_tf.spec.blocks import Window

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.benchmarks.tables.timed_graph import Operators
  from nadv2_tf.resources.pieces import Piece

#: copies of a piece in one file: an interpreter call costs about as much as a small layer
COPIES = 4


def _conv(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.convolution(
    x, piece.kept, piece.kernel, piece.stride, piece.activation_name, piece.padding
  )


def _depthwise(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.depthwise(x, piece.kernel, piece.stride, piece.activation_name, piece.padding)


def _squeeze_excite(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.squeeze_excite(x, piece.squeeze, *piece.squeeze_functions)


def _bypass(operators: Operators, piece: Piece, x: Any) -> Any:
  """Half of the channels go around: cut out, pooled if the layer has a stride, joined again."""
  half = max(piece.in_channels // 2, 1)
  passed = x[..., half:] if half < piece.in_channels else x
  passed = operators.downsampled(passed, piece.stride)
  height = channels.output_size(piece.in_height, piece.stride)
  width = channels.output_size(piece.in_width, piece.stride)
  return operators.joined([x[:, :height, :width, :half], passed])


def _add(operators: Operators, piece: Piece, x: Any, shortcut: Any) -> Any:
  return operators.add(x, shortcut)


def _padded_add(operators: Operators, piece: Piece, x: Any, shortcut: Any) -> Any:
  return operators.add(x, operators.padded(shortcut, piece.in_channels))


def _pool(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.pooled(x)


def _upsample(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.upsampled(x, piece.stride)


def _window_pool(operators: Operators, piece: Piece, x: Any) -> Any:
  form = piece.kind.removesuffix("_pool")
  return operators.window_pool(x, Window(form, piece.kernel, piece.stride, piece.padding))


def _activation(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.activated(x, piece.activation)


def _norm(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.norm(x, piece.activation)


def _rescale(operators: Operators, piece: Piece, x: Any) -> Any:
  return operators.rescaled(x, (0.5,), (0.5,))


BUILDERS: dict[str, Callable[..., Any]] = {
  "conv": _conv,
  "depthwise": _depthwise,
  "squeeze_excite": _squeeze_excite,
  "bypass": _bypass,
  "add": _add,
  "padded_add": _padded_add,
  "pool": _pool,
  "upsample": _upsample,
  "max_pool": _window_pool,
  "average_pool": _window_pool,
  "activation": _activation,
  "norm": _norm,
  "rescale": _rescale,
}


def piece_graph(piece: Piece | None, copies: int = COPIES) -> TimedGraph:
  """The `TimedGraph` that `piece_file` writes."""
  if piece is None:
    return TimedGraph({"x": (1, 1, 1, 4)}, lambda operators, x: [operators.plus_one(x)])
  place = (1, piece.in_height, piece.in_width)
  shapes = [(*place, piece.in_channels)]
  if piece.kind == "add":
    shapes *= 2
  if piece.kind == "padded_add":
    shapes.append((*place, max(piece.in_channels // 2, 1)))
  count = len(shapes)

  def build(operators: Operators, *inputs: Any) -> list[Any]:
    starts = range(0, len(inputs), count)
    layer = BUILDERS[piece.kind]
    return [layer(operators, piece, *inputs[start : start + count]) for start in starts]

  return TimedGraph(
    {f"x_{index}": shape for index, shape in enumerate(shapes * copies)},
    build,
  )


def piece_file(piece: Piece | None, copies: int = COPIES, precision: str = "float32") -> bytes:
  """A TFLite file, as bytes, that runs `copies` of a piece on inputs of their own.

  int8 files take and give int8: inside a network nothing is converted between layers.

  Args:
    piece: a `Piece`, or None for the smallest file there is, whose time is a call's overhead.
  """
  return piece_graph(piece, copies).file(precision, integer_io=True)
