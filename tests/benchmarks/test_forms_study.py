"""The study of forms: which first steps raise the latency, by hand."""

from nadv2_tf.benchmarks.studies.forms import step_lines
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head


def test_a_bypass_that_costs_more_than_its_filters_raises_the_latency():
  network = NetworkSpec(
    "n", (8, 8, 3), (Conv(8, 1), Conv(8, 1, activation="linear", bypass_cap=8), Head(2))
  )
  rows = {
    Piece("conv", 8, 8, inputs, kept, 1, activation=activation): 0.01 * kept
    for activation in ("relu", "linear")
    for inputs in (1, 8)
    for kept in (1, 8)
  }
  rows |= {Piece("conv", 1, 1, c, k, 1, activation="linear"): 0.0 for c in (1, 8) for k in (1, 8)}
  # A step down saves 0.02, and a bypass takes 0.05.
  rows |= {Piece("bypass", 8, 8, width, width): 0.05 for width in (1, 8)}
  rows |= {Piece("pool", 8, 8, width, width): 0.0 for width in (1, 8)}
  (line,) = step_lines(space_of(network, 4), LatencyTable(rows))
  assert line.split(":")[1] == " 1 of 2 as they are, 0 in their fastest form"
