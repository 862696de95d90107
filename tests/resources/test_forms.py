"""A latency table knows in which form a network is the fastest."""

import pytest
from form_tables import NETWORK, table

from nadv2_tf.resources import MacsMeter
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece
from nadv2_tf.search.forms import fastest_form_of
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.spec.forms import changed_layers


def test_the_quicker_form_is_measured_and_named():
  quick, slow = table(bypass=0.03), table(bypass=0.05)
  # 6 filters, then 2 and a bypass, or 6: 0.04 more.
  assert quick.measure(NETWORK) == pytest.approx(0.06 + 0.02 + 0.03)
  assert quick.fastest_form(NETWORK) == NETWORK
  assert slow.measure(NETWORK) == pytest.approx(0.06 + 0.06)
  form = slow.fastest_form(NETWORK)
  assert form == NETWORK.with_block(1, filters=6)
  assert slow.measure(form) == slow.measure(NETWORK)
  assert slow.fastest_form(form) == form
  plain = slow.as_it_is()
  assert plain.fastest_form(NETWORK) == NETWORK
  assert plain.measure(NETWORK) == pytest.approx(0.06 + 0.02 + 0.05)


def test_not_in_int8_nor_where_the_table_ends():
  assert table(0.05, {"precision": "int8"}).fastest_form(NETWORK) == NETWORK
  wide = NETWORK.with_block(0, filters=8).with_block(1, bypass_cap=None)
  assert table(0.5).fastest_form(wide) == wide.with_block(1, filters=8)
  short = table(0.5)
  rows = {
    piece: ms
    for piece, ms in short.rows.items()
    if not (piece.activation == "linear" and piece.in_height == 8 and piece.kept == 8)
  }
  rows |= {Piece("conv", 8, 8, c, 4, 1, activation="linear"): 0.04 for c in (1, 8)}
  assert LatencyTable(rows).fastest_form(wide) == wide


def test_the_parameters_of_the_form_count_where_the_cache_is_full():
  facts = {"spill_ms_per_kb": "1", "cache_kb": "0"}
  more = NETWORK.with_block(1, filters=6).parameters() * 4 / 1024
  assert table(0.05, facts).measure(NETWORK) == pytest.approx(0.12 + more)


def test_other_meters_know_one_form():
  assert fastest_form_of(MacsMeter())(NETWORK) is NETWORK
  assert fastest_form_of(None)(NETWORK) is NETWORK
  assert fastest_form_of(table(0.05))(NETWORK) != NETWORK


def test_zeros_in_place_of_a_padded_sum():
  block = InvertedResidual(None, 8, 4, 3, 1, None, "relu", bypass_cap=0)
  network = NetworkSpec("n", (8, 8, 3), (Conv(8, 1), block, Head(2)))
  known = table(1.0)
  rows = known.rows | {
    Piece("depthwise", 8, 8, width, width, 3, activation="relu"): 0.0 for width in (1, 8)
  }
  rows |= {Piece("add", 8, 8, width, width): 0.01 for width in (1, 8)}

  def padded(milliseconds):
    more = {Piece("padded_add", 8, 8, width, width): milliseconds for width in (1, 8)}
    return LatencyTable(rows | more)

  # 8 filters and 4 of them with a padded sum, or 8 and 8 and a plain one: 0.04 and 0.01.
  assert padded(0.04).measure(network) == pytest.approx(0.08 + 0.04 + 0.04)
  assert padded(0.04).fastest_form(network) == network
  assert padded(0.06).measure(network) == pytest.approx(0.08 + 0.08 + 0.01)
  form = padded(0.06).fastest_form(network)
  assert form == network.with_block(1, projection=8)
  assert padded(0.06).measure(form) == padded(0.06).measure(network)


def test_how_many_layers_differ():
  assert changed_layers(NETWORK, NETWORK) == 0
  assert changed_layers(NETWORK, NETWORK.with_block(1, filters=6)) == 1
