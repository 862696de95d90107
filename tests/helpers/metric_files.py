"""A network of one convolution, its latencies by table, and the files that have them."""

from nadv2_tf.regressor import Regressor
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.resources.predictor import Encoding, LatencyPredictor
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with 2 to 4 filters -> global pool -> 2 classes.
NETWORK = NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2)))
ROWS = {
  Piece("conv", 4, 4, 1, 2, kernel=3, stride=2, activation="relu"): 1.0,
  Piece("conv", 4, 4, 1, 4, kernel=3, stride=2, activation="relu"): 3.0,
  Piece("pool", 2, 2, 2, 2): 0.1,
  Piece("pool", 2, 2, 4, 4): 0.2,
  Piece("conv", 1, 1, 2, 2, kernel=1, activation="linear"): 0.01,
  Piece("conv", 1, 1, 4, 2, kernel=1, activation="linear"): 0.02,
}


def write_tables(folder):
  """The two kinds of tables, as files."""
  ours, published = folder / "ours.csv", folder / "published.json"
  ours.write_text(LatencyTable(ROWS, {"device": "adb: Phone One"}).to_csv())
  published.write_text('{"0": {"0": 1.5, "1": 2.5}}')
  return ours, published


def write_predictor(folder):
  """A regressor that gives 2 x share of the filters + 0.5, and so squared 2.25 or 6.25 ms."""
  path = folder / "predictor.json"
  regressor = Regressor([([[2.0]], [0.5])])
  path.write_text(LatencyPredictor(Encoding.of(space_of(NETWORK, 2)), regressor).to_json())
  return path
