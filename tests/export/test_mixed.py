"""Files of int8 and float blocks: which are which, what each loses, what is chosen."""

import itertools
import json

import numpy as np
import pytest

from nadv2_tf.export import ParityError, blocks, deployment, predictor
from nadv2_tf.export.block_losses import BlockLosses, block_losses
from nadv2_tf.export.deployment import Evidence
from nadv2_tf.export.mixed import choose, milliseconds_of
from nadv2_tf.export.mixed_files import MixedFiles
from nadv2_tf.export.tflite import concrete_function
from nadv2_tf.models import stand_alone
from nadv2_tf.options import ExportOptions
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

#: wide enough that int8 saves bytes in every block but the first
WIDE = NetworkSpec(
  "wide",
  (8, 8, 1),
  (
    Conv(16, 3, 2, "hard_swish"),
    InvertedResidual(96, 96, 16, 3, 1, 8, "relu"),
    InvertedResidual(80, 80, 24, 3, 2, None, "hard_swish", residual=False),
    Conv(64, 3, 1, "relu"),
    Head(3, 64),
  ),
)
#: the block of `WIDE` that int8 ruins, from 1
RUINED = 3


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(4).normal(size=(48, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def wide():
  """A network of `WIDE`, one block of which has channels of very different sizes.

  A filter that is 5000 times as large as the others makes the steps of int8 as coarse, and the
  weights behind it take the factor back: the network is as good as without it.
  """
  network, rng = stand_alone(WIDE), np.random.default_rng(3)
  for layer in network.layers:
    layer.set_weights([_drawn(rng, one.path, np.asarray(one)) for one in layer.weights])
  norm, conv = (
    network.get_layer(f"block0{RUINED}_{name}") for name in ("depthwise_norm", "projection")
  )
  scale, *others = norm.get_weights()
  scale[0] *= 5000
  norm.set_weights([scale, *others])
  kernel, *others = conv.get_weights()
  kernel[:, :, 0] /= 5000
  conv.set_weights([kernel, *others])
  return network


def _drawn(rng, path, weight):
  if path.endswith("variance"):
    return np.ones_like(weight)
  if path.endswith(("gamma", "beta", "mean")):
    return rng.normal(path.endswith("gamma"), 0.1, weight.shape)
  taken = weight.shape[:2] if "depthwise" in path else weight.shape[:-1]
  return rng.normal(0, (2 / np.prod(taken)) ** 0.5, weight.shape)


@pytest.fixture(scope="module")
def files(wide, images):
  return MixedFiles(concrete_function(wide), images)


@pytest.fixture(scope="module")
def loss(wide, images):
  """How far outputs are from the network's own, squared."""
  expected = np.asarray(wide(images, training=False))
  return lambda outputs: float(np.mean(np.square(outputs - expected)))


@pytest.fixture(scope="module")
def losses(files, images, loss, tmp_path_factory):
  path = tmp_path_factory.mktemp("losses") / "wide.blocks.json"
  return block_losses(files, images, loss, b"", path)


# --- what is in a file


def test_without_int8_it_is_the_float_file(files):
  assert files.content(()) == files.in_float and blocks.conversions(files.in_float) == 0


def test_bytes_of_weights_by_hand(files):
  in_float, in_int8 = files.weights(files.in_float), files.weights(files.content(files.blocks))
  # Block 4: 9 x 24 x 64 kernel numbers and 64 biases of 4 bytes; in int8 kernel numbers of one
  # byte, biases of 4, and both have a scale (4) and a zero point (8) for each filter.
  assert in_float[4] == 4 * (9 * 24 * 64 + 64)
  assert in_int8[4] == 9 * 24 * 64 + 4 * 64 + 2 * 12 * 64


# --- what blocks lose


def test_the_block_that_int8_ruins_loses_most(losses):
  added = {block: losses.added(block) for block in (1, 2, 3, 4, 5)}
  others = [value for block, value in added.items() if block != RUINED]
  assert added[RUINED] > 5 * max(others) > 0
  assert losses.in_float < 1e-6


def test_known_losses_are_not_measured_again(files, images, loss, tmp_path, monkeypatch):
  path, asked = tmp_path / "wide.blocks.json", []
  content = MixedFiles.content

  def counted(self, int8):
    asked.extend(int8)
    if len(asked) == 3:
      raise KeyboardInterrupt
    return content(self, int8)

  monkeypatch.setattr(MixedFiles, "content", counted)
  with pytest.raises(KeyboardInterrupt):
    block_losses(files, images, loss, b"", path)
  assert sorted(json.loads(path.read_text())["alone"]) == ["1", "2"]
  told = []
  found = block_losses(files, images, loss, b"", path, lambda *step: told.append(step))
  assert asked == [1, 2, 3, 3, 4, 5] and [number for number, _, _ in told] == [1, 2, 3, 4, 5]
  assert block_losses(files, images, loss, b"", path) == found
  assert asked == [1, 2, 3, 3, 4, 5]
  # Of another calibration, or of other images, they are others.
  block_losses(files, images, loss, b"other", path)
  assert asked[6:] == [1, 2, 3, 4, 5]


def test_a_loss_that_is_none_is_refused(files, images, tmp_path):
  values = iter((0.5, float("nan")))
  with pytest.raises(ParityError, match="The loss with block 1 alone in int8 is nan"):
    block_losses(files, images, lambda _: next(values), b"", tmp_path / "a.json")


def test_a_block_that_cannot_be_int8_stays_float(files, images, loss, tmp_path, monkeypatch):
  content = MixedFiles.content

  def choosy(self, int8):
    if 4 in int8:
      raise ValueError("Cannot load.")
    return content(self, int8)

  monkeypatch.setattr(MixedFiles, "content", choosy)
  path = tmp_path / "a.json"
  found = block_losses(files, images, loss, b"", path)
  assert found.refused == {"4": "Cannot load."} and sorted(found.alone) == ["1", "2", "3", "5"]
  assert block_losses(files, images, loss, b"", path) == found
  chosen = choose(files, found, ExportOptions("mixed", max_size="80%"))
  assert 4 not in chosen.int8 and len(chosen.content) <= 0.8 * len(files.in_float)
  assert chosen.record["refused"] == {"4": "Cannot load."}
  with pytest.raises(ValueError, match="with all blocks in int8 that can be the file has"):
    choose(files, found, ExportOptions("mixed", max_size="45%"))


def test_a_damaged_file_of_losses_is_told(files, images, loss, tmp_path):
  path = tmp_path / "a.json"
  path.write_text("{")
  with pytest.raises(ValueError, match=r"a.json: .*remove it to measure the blocks again"):
    block_losses(files, images, loss, b"", path)


# --- what is chosen


def predicted(losses, int8):
  return losses.in_float + sum(map(losses.added, int8))


@pytest.fixture(scope="module")
def sizes(files):
  """{choice of int8 blocks: bytes of its file}, of all."""
  every = itertools.product((False, True), repeat=len(files.blocks))
  chosen = (tuple(itertools.compress(files.blocks, picks)) for picks in every)
  return {int8: len(files.content(int8)) for int8 in chosen}


@pytest.mark.parametrize("share", [0.95, 0.8, 0.7, 0.6, 0.5])
def test_the_file_is_within_its_size_and_no_choice_loses_less(files, sizes, losses, share):
  options = ExportOptions("mixed", max_size=f"{100 * share:g}%")
  found = choose(files, losses, options)
  most = share * len(files.in_float)
  assert len(found.content) <= most
  within = [int8 for int8, size in sizes.items() if size <= most]
  assert predicted(losses, found.int8) == min(predicted(losses, int8) for int8 in within)
  assert found.record["predicted_loss"] == pytest.approx(predicted(losses, found.int8))
  assert blocks.precisions(found.content) == {
    block: {"int8"} if block in found.int8 else {"float32"} for block in files.blocks
  }


def test_a_size_that_no_file_has_is_refused(files, losses):
  with pytest.raises(
    ValueError, match=r"--max_size of 100 bytes cannot be met: with all blocks in"
  ):
    choose(files, losses, ExportOptions("mixed", max_size="100"))


def write_tables(folder, float_costs, int8_costs):
  """Tables in which the pieces of a block of `WIDE` take so long together."""
  paths = []
  for name, costs in (("float32", float_costs), ("int8", int8_costs)):
    rows = {}
    for layers, cost in zip(WIDE.layers(), costs, strict=True):
      own = [piece for layer in layers for piece in pieces(layer)]
      rows |= dict.fromkeys(own, cost / len(own))
    paths.append(folder / f"{name}.csv")
    paths[-1].write_text(LatencyTable(rows, {"precision": name, "device": "phone"}).to_csv())
  return {"float_table": str(paths[0]), "int8_table": str(paths[1])}


@pytest.fixture
def tables(tmp_path):
  return write_tables(tmp_path, (1.0, 2.0, 2.0, 3.0, 1.0), (1.5, 1.0, 1.0, 1.0, 0.5))


@pytest.mark.parametrize(
  ("latency", "size"), [("7.5", ""), ("80%", ""), ("60%", ""), ("90%", "60%")]
)
def test_a_latency_by_two_tables(files, sizes, losses, tables, latency, size):
  given = {"max_latency": latency, "max_size": size, **tables}
  options = ExportOptions("mixed", **given)
  found = choose(files, losses, options, milliseconds_of(options, WIDE))
  in_float, in_int8 = (1.0, 2.0, 2.0, 3.0, 1.0), (1.5, 1.0, 1.0, 1.0, 0.5)
  most = {"7.5": 7.5, "80%": 7.2, "60%": 5.4, "90%": 8.1}[latency]
  largest = 0.6 * len(files.in_float) if size else np.inf

  def milliseconds(int8):
    return sum((in_int8 if at + 1 in int8 else in_float)[at] for at in range(5))

  within = [int8 for int8, size in sizes.items() if milliseconds(int8) <= most and size <= largest]
  assert predicted(losses, found.int8) == min(predicted(losses, int8) for int8 in within)
  assert found.record["predicted_ms"] == pytest.approx(milliseconds(found.int8))
  assert found.record["predicted_ms"] <= found.record["most_ms"] == pytest.approx(most)


def test_a_latency_that_no_choice_has_is_refused(files, losses, tables):
  # 1 + 1 + 1 + 1 + 0.5 is the least, the first block in float.
  options = ExportOptions("mixed", max_latency="4.4", **tables)
  with pytest.raises(ValueError, match=r"max_latency of 4.4 ms cannot be met: .* say 4.5 ms"):
    choose(files, losses, options, milliseconds_of(options, WIDE))
  with pytest.raises(ValueError, match="--max_latency needs the spec of the network"):
    milliseconds_of(options, None)
  options = ExportOptions("mixed", max_latency="4.6", max_size="100", **tables)
  with pytest.raises(ValueError, match="--max_size of 100 bytes cannot be met within --max_lat"):
    choose(files, losses, options, milliseconds_of(options, WIDE))


# --- an export from beginning to end


def test_an_export(wide, images, examples, loss, tmp_path):
  evidence = Evidence(images, None, examples, loss=loss)
  path, steps = tmp_path / "net.tflite", []
  record = deployment.export(
    wide,
    path,
    ExportOptions("mixed", max_size="60%"),
    evidence,
    None,
    report=lambda *step: steps.append(step[:2]),
  )
  assert json.loads(json.dumps(record)) == record
  chosen = record["mixed"]
  assert RUINED in chosen["float_blocks"] and chosen["int8_blocks"]
  assert sorted(chosen["int8_blocks"] + chosen["float_blocks"]) == [1, 2, 3, 4, 5]
  content = path.read_bytes()
  assert blocks.precisions(content) == {
    block: {"int8"} if block in chosen["int8_blocks"] else {"float32"} for block in range(1, 6)
  }
  assert chosen["loss"] == loss(predictor(content)(images))
  assert steps == [(number, 5) for number in range(1, 6)]
  kept = BlockLosses.from_json(json.loads(path.with_suffix(".blocks.json").read_text()), "kept")
  assert {block: kept.added(int(block)) for block in kept.alone} == chosen["losses_added"]
  told = "\n".join(deployment.sentences(path, record))
  assert "in float: " in told and f"the most first: {RUINED}: +" in told


def test_what_a_mixed_file_needs(wide, images, tmp_path):
  options = ExportOptions("mixed", max_size="60%")
  for evidence in (
    deployment.random_evidence(wide),
    Evidence(images, train=None, loss=lambda _: 0),
  ):
    with pytest.raises(ValueError, match="--quantization=mixed needs images and their labels"):
      deployment.export(wide, tmp_path / "a.tflite", options, evidence, None)
