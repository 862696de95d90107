"""A network with a bypass, and latency tables in which its forms take given times."""

from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

NETWORK = NetworkSpec(
  "n", (8, 8, 3), (Conv(6, 1), Conv(2, 1, activation="linear", bypass_cap=6), Head(2))
)


def table(bypass, facts=None, most=8):
  """Convolutions take 0.01 ms for each filter, and nothing for the input's channels."""
  rows = {}
  for activation in ("relu", "linear"):
    for inputs in (1, 8):
      for kept in (1, most):
        piece = Piece("conv", 8, 8, inputs, kept, 1, activation=activation)
        rows[piece] = 0.01 * kept
  rows |= {Piece("conv", 1, 1, c, k, 1, activation="linear"): 0.0 for c in (1, 8) for k in (1, 8)}
  rows |= {Piece("bypass", 8, 8, width, width): bypass for width in (1, 8)}
  rows |= {Piece("pool", 8, 8, width, width): 0.0 for width in (1, 8)}
  return LatencyTable(rows, facts)
