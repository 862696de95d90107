"""NN-Degree against numbers worked out by hand."""

import pytest

from nadv2_tf import backbones
from nadv2_tf.search.nn_degree import Cell, cells, nn_degree
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual


def _network(*blocks, shape=(8, 8, 3)):
  return NetworkSpec("by hand", shape, (*blocks, Head(4)))


def test_a_chain_without_skips():
  # 8x8: 4 and 6 channels; 4x4: 10 and 12.
  spec = _network(Conv(4, 3), Conv(6), DepthwiseSeparable(10, 12, 3, 2))
  # The depthwise layer has as many filters as there are channels, 6.
  assert cells(spec) == (Cell(5.0, 2, 0), Cell(9.0, 2, 0))
  assert nn_degree(spec) == 5 + 9


def test_a_residual_block():
  spec = _network(Conv(8, 3), InvertedResidual(16, 16, 8, 3))
  # 8, 16, 16 and 8 channels; the addition skips 8.
  assert cells(spec) == (Cell(12.0, 4, 8),)
  assert nn_degree(spec) == pytest.approx(12 + 8 / (12 * 4))


def test_channels_that_go_around_a_layer_are_skips():
  # 4 filters behind 8 channels, of which 6 may go around: 6 come out, 2 of them around.
  spec = _network(Conv(8, 3), Conv(4, bypass_cap=6))
  assert cells(spec) == (Cell(7.0, 2, 2),)
  assert nn_degree(spec) == pytest.approx(7 + 2 / 14)
  # A layer without filters is none, and nothing goes around it.
  spec = _network(Conv(8, 3), Conv(0, bypass_cap=6), Conv(6))
  assert cells(spec) == (Cell(7.0, 2, 0),)


def test_a_removed_block_is_not_there():
  there = _network(Conv(8, 3), InvertedResidual(16, 16, 8, 3))
  removed = _network(Conv(8, 3), InvertedResidual(0, 0, 0, 3))
  assert nn_degree(removed) == nn_degree(_network(Conv(8, 3))) == 8.0 < nn_degree(there)


@pytest.mark.parametrize("name", ["netadaptv2_latency", "mobilenet_v1", "fastdepth"])
def test_wider_is_more_and_so_is_a_skip(name):
  spec = backbones.network(name)
  index = len(spec.blocks) // 2
  while not spec.blocks[index].widths():
    index += 1
  field = spec.blocks[index].leaving()[0]
  narrow = spec.with_block(index, **{field: getattr(spec.blocks[index], field) // 2})
  assert nn_degree(narrow) < nn_degree(spec)
  plain, skipped = (
    _network(Conv(8, 3), InvertedResidual(16, 16, 8, 3, residual=residual))
    for residual in (False, True)
  )
  assert nn_degree(plain) < nn_degree(skipped)
