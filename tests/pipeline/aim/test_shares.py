"""Targets that are shares of the largest network's latency."""

import dataclasses
import json

import pytest
from two_convolutions import SPACE, Table, slower_by

from nadv2_tf.pipeline.aim import amounts
from nadv2_tf.pipeline.report.doubts import doubt_lines
from nadv2_tf.pipeline.report.figures import overview
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.resources.pieces import Piece


def test_a_share_is_of_the_largest_network_of_the_same_session(start, folder, plug_in):
  """The machine is half as fast when it confirms as when it told the range and the table."""
  largest = Table().measure(SPACE.largest())
  folder.update_metrics(range={"measured_with": {}, "values": {"largest": largest}})
  device = plug_in(milliseconds=slower_by(1.0))
  target = amounts.parse_target("60%", largest)
  _, lines = start(target, target="60%")
  (one,) = folder.metrics().rounds
  assert one.largest == pytest.approx(2 * largest)
  assert one.measured == pytest.approx(2 * one.predicted)
  metric = folder.metrics().metric
  assert metric.share == pytest.approx(0.6) and metric.target == pytest.approx(2 * target)
  assert metric.measured == one.measured
  # Measured in turns with the found network, and told.
  assert device.contents[-1] == SPACE.largest().to_json().encode() and len(device.settings) == 1
  assert any(line.startswith("  largest: predicted 0.64 ms, measured 1.28 ms") for line in lines)
  device = plug_in(milliseconds=slower_by(0.5))
  start(target, target="60%")
  assert device.contents == [] and folder.metrics().rounds == (one,)


def test_a_share_is_first_searched_for_as_of_the_tables_session(start, folder, plug_in):
  """The largest network took 0.5 ms beside the table and 0.64 when the range was told."""
  rows = {Piece("conv", 4, 4, 1, kept, 3, 2, activation="relu"): 0.01 * kept for kept in (1, 32)}
  for inputs in (1, 32):
    for kept in (1, 32):
      rows[Piece("conv", 2, 2, inputs, kept, 3, activation="relu")] = 0.01 * kept
    rows[Piece("pool", 2, 2, inputs, inputs)] = 0.0
    rows[Piece("conv", 1, 1, inputs, 2, 1, activation="linear")] = 0.0
  table = LatencyTable(rows, {"largest_ms": "0.5"})
  assert table.measure(SPACE.largest()) == pytest.approx(0.64)
  folder.update_metrics(range={"measured_with": {}, "values": {"largest": 0.64}})
  plug_in(milliseconds=slower_by(0.5 / 0.64 - 1))
  target = amounts.parse_target("60%", 0.64)
  (landing,), lines = start(target, meter=table, target="60%", tighten=0)
  # 60 % of 0.5 ms and not of 0.64.
  first = json.loads(folder.journal.read_text().splitlines()[0])
  (one,) = folder.metrics().rounds
  assert first["target"] == pytest.approx(0.3) and one.target == first["target"]
  assert 0.25 < table.measure(landing.spec) <= 0.3
  told = "  target 0.384 ms: beside the table the largest network took 0.5, so 0.3 is searched for"
  assert told in lines


def test_a_share_of_an_unsteady_timing_says_so_to_the_end(start, folder, plug_in):
  largest = Table().measure(SPACE.largest())
  folder.update_metrics(range={"measured_with": {}, "values": {"largest": largest}})
  device = plug_in(milliseconds=slower_by(0.0))
  measure = device.measure

  def too_busy_for_the_largest(paths, settings):
    content = SPACE.largest().to_json().encode()
    return [
      [
        dataclasses.replace(one, doubt="it is busy" if path.read_bytes() == content else "")
        for one in repeats
      ]
      for path, repeats in zip(paths, measure(paths, settings), strict=True)
    ]

  device.measure = too_busy_for_the_largest
  target = amounts.parse_target("60%", largest)
  for _ in range(2):  # a command that goes on knows it, and measures nothing
    start(target, target="60%")
    (one,) = folder.metrics().rounds
    assert (one.doubt, one.largest_doubt) == ("", "it is busy")
    assert doubt_lines(overview(folder)) == [
      "The device was too busy to time the largest network beside the found one, so the target, a "
      "share of its latency, is uncertain: it is busy."
    ]
    device.measure = None
  # The finished networks were timed at the end of the run, and the target is a share of that.
  metric = folder.metrics().metric
  folder.update_metrics(metric=metric.updated(target=1.1 * metric.target))
  assert doubt_lines(overview(folder)) == []
