"""A table on a machine that is busy, or slower for a while: what of it is measured again."""

import dataclasses
import itertools
import pathlib
import re

import pytest

from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
from nadv2_tf.benchmarks.tables.pieces import COPIES
from nadv2_tf.benchmarks.timing.batch import REFERENCE
from nadv2_tf.benchmarks.timing.device import Device
from nadv2_tf.benchmarks.timing.errors import TableError
from nadv2_tf.benchmarks.timing.records import Identity, Repeat
from nadv2_tf.options import TimingSettings
from nadv2_tf.programs.latency_table import describe
from nadv2_tf.resources.latency_table import table_doubt
from nadv2_tf.resources.pieces import pieces
from nadv2_tf.spec import NetworkSpec

SETTINGS = TimingSettings(num_threads=2, cpu_mask="3", delegate="none", attempts=1)


class Busy(Device):
  """A machine that is slow for some pieces, and becomes slower as a whole.

  Files cost as their layers do, so that a table predicts networks.

  Args:
    busy: function (files so far, content) -> whether others work during all repeats but the first.
    speed: function (calls so far) -> factor of all that is timed, the reference as well.
  """

  identity = Identity("Example Machine", "x86_64", None, "runtime 1")

  def __init__(self, busy=lambda count, content: False, speed=lambda call: 1.0):
    self._busy, self._speed = busy, speed
    self.calls, self.count, self.networks = 0, 0, 0

  def measure(self, paths, settings):
    taken = []
    for path in paths:
      content = path.read_bytes()
      value = self._milliseconds(path) * self._speed(self.calls)
      is_busy = content.startswith(b"Piece") and self._busy(self.count, content)
      self.count += path != REFERENCE
      self.networks += content.startswith(b"{")
      factors = (1.0, 30.0, 30.0) if is_busy else (1.0, 1.0, 1.0)
      taken.append([Repeat(value * factor, value, 9, "median") for factor in factors])
    self.calls += 1
    return taken

  def _milliseconds(self, path):
    content = path.read_bytes()
    if path == REFERENCE:
      return 0.1
    if content.startswith(b"{"):
      spec = NetworkSpec.from_json(content.decode())
      layers = itertools.chain.from_iterable(spec.layers())
      return sum(
        1e-3 * (1 + piece.kept + piece.in_channels) for layer in layers for piece in pieces(layer)
      )
    return 0.5 + _of_piece(content)


def _of_piece(content):
  channels = list(map(int, re.findall(r"(?:in_channels|kept)=(\d+)", content.decode())))
  return COPIES * 1e-3 * (1 + sum(channels)) if channels else 0.0


def table_of(space, device, **changes):
  settings = dataclasses.replace(SETTINGS, **{"attempts": 3, "on_unsteady": "fail"} | changes)
  return TableMeasurement(space, device, settings).measure(check_networks=8)


def test_a_device_that_tells_the_same_of_every_layer_is_refused(tiny_space, cheap_files, tmp_path):
  class Constant(Busy):
    def _milliseconds(self, path):
      return 0.5

  path = tmp_path / "table.csv"
  measurement = TableMeasurement(tiny_space, Constant(), SETTINGS, path)
  with pytest.raises(TableError, match=r"None of \d+ layers took longer than a file that does not"):
    measurement.measure()
  assert not list(tmp_path.iterdir())  # nothing of it is gone on with


def test_a_machine_that_is_quiet_takes_one_attempt(tiny_space, cheap_files):
  table = table_of(tiny_space, Busy())
  assert float(table.facts["check_error_median"]) < 0.1 and "attempts" not in table.facts
  assert table.facts["reference_ms"] == "0.1"


def test_rows_that_were_disturbed_are_measured_again_and_no_others(tiny_space, cheap_files):
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  rows = len(expected.rows)
  # Six rows of the first batch, in all three attempts: then they are marked, and it is quiet.
  device = Busy(lambda count, _: 2 <= count < 8 or 25 <= count < 38)
  table = table_of(tiny_space, device)
  assert table.facts["attempts"] == 2 and table.rows == pytest.approx(expected.rows)
  assert float(table.facts["check_error_median"]) < 0.1
  # By the disturbed rows two networks may have one fastest form, which is timed once.
  assert 1.8 * quiet.networks <= device.networks <= 2 * quiet.networks
  assert device.count - quiet.count < quiet.networks + rows / 2 + 20


def test_a_table_that_stays_wrong_is_not_used(tiny_space, cheap_files, tmp_path):
  always = Busy(lambda _, content: b"depthwise" in content)
  settings = dataclasses.replace(SETTINGS, attempts=3, on_unsteady="fail")
  path = tmp_path / "table.csv"
  measurement = TableMeasurement(tiny_space, always, settings, path)
  with pytest.raises(TableError, match=r"off by \d+% .*best of 3 attempt.*--on_unsteady=mark"):
    measurement.measure(check_networks=8)
  assert list(tmp_path.iterdir()) == []  # the next command measures everything
  table = table_of(tiny_space, Busy(lambda _, content: b"depthwise" in content), on_unsteady="mark")
  assert table.facts["attempts"] == 3 and float(table.facts["check_error_median"]) > 0.1
  assert table_doubt(table.facts)


def test_a_table_is_held_together_by_the_reference(tiny_space, cheap_files):
  """The machine becomes slower by a third of its first speed with every batch."""
  expected = table_of(tiny_space, Busy())
  table = table_of(tiny_space, Busy(speed=lambda call: 1.0 + 0.3 * call))
  assert "attempts" not in table.facts
  for piece, value in expected.rows.items():
    assert table.rows[piece] == pytest.approx(value, rel=1e-6)
  largest = tiny_space.largest()
  assert table.measure(largest) == pytest.approx(expected.measure(largest), rel=1e-3)


class Restless(Busy):
  """A machine on which repeats of networks, but the first, take longer.

  Args:
    scatter: function (networks so far) -> factor of them.
  """

  def __init__(self, scatter):
    super().__init__()
    self._scatter = scatter

  def measure(self, paths, settings):
    before = self.networks
    taken = super().measure(paths, settings)
    if self.networks > before:
      for index, repeats in enumerate(taken[1:-1]):
        value = repeats[0].value_ms
        later = value * self._scatter(before + index)
        repeats[1:] = [Repeat(later, later, 9, "median")] * 2
    return taken


def test_networks_in_doubt_are_timed_again_when_all_had_their_turn(tiny_space, cheap_files):
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  # Three networks of the first batch take twice as long: all are timed three times.
  many = Restless(lambda count: 2.0 if count in (1, 3, 5) else 1.0)
  table = table_of(tiny_space, many)
  assert float(table.facts["check_error_max"]) < 1e-6
  for spec in (tiny_space.smallest(), tiny_space.largest()):
    assert table.measure(spec) == pytest.approx(expected.measure(spec), rel=1e-6)
  # One does: it alone is timed again, twice.
  one = Restless(lambda count: 2.0 if count == 3 else 1.0)
  assert table_of(tiny_space, one).measure(tiny_space.largest()) == pytest.approx(
    expected.measure(tiny_space.largest()), rel=1e-6
  )
  assert one.networks == quiet.networks + 2 < many.networks


class Hidden(Busy):
  """A machine that slows networks without a trace in their repeats, and says that it cannot tell.

  Args:
    slow: function (networks so far) -> factor of one's repeats.
  """

  def __init__(self, slow):
    super().__init__()
    self._slow = slow

  def measure(self, paths, settings):
    before = self.networks
    taken = super().measure(paths, settings)
    if self.networks > before:
      for index, repeats in enumerate(taken[1:-1]):
        factor = self._slow(before + index)
        if factor > 1:
          value = factor * repeats[0].value_ms
          doubt = "only 2 of 9 runs were undisturbed"
          repeats[:] = [Repeat(value, value, 9, "CPU time", doubt=doubt)] * len(repeats)
    return taken


def test_a_network_that_words_speak_against_is_timed_again(tiny_space, cheap_files):
  """Its repeats agree, each without an undisturbed run."""
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  one = Hidden(lambda count: 1.5 if count == 3 else 1.0)
  table = table_of(tiny_space, one)
  assert one.networks == quiet.networks + 2 and "networks_in_doubt" not in table.facts
  largest = tiny_space.largest()
  assert table.measure(largest) == pytest.approx(expected.measure(largest), rel=1e-6)
  # All of them, whenever they are timed: the table says so.
  always = table_of(tiny_space, Hidden(lambda count: 1.01))
  facts = always.facts
  assert facts["networks_in_doubt"] == facts["networks_timed"] > 8
  assert f"of {facts['networks_timed']} whole networks {facts['networks_in_doubt']} were" in (
    describe(pathlib.Path("table.csv"), always)
  )


def test_everything_again_is_as_fast_as_the_machine_is_by_then(tiny_space, cheap_files, tmp_path):
  """The first batch is slowed to double, the reference with it; some rows are wrong twice."""
  quiet = Busy()
  expected = table_of(tiny_space, quiet)
  path = tmp_path / "table.csv"

  def busy(_, content):  # until the networks were timed twice
    return b"depthwise" in content and device.networks < 1.5 * quiet.networks

  device = Busy(busy, lambda call: 1.0 if call else 2.0)
  settings = dataclasses.replace(SETTINGS, attempts=3, on_unsteady="fail")
  table = TableMeasurement(tiny_space, device, settings, path).measure(check_networks=8)
  assert table.facts["attempts"] == 3 and table.facts["reference_ms"] == "0.1"
  assert table.rows == pytest.approx(expected.rows)
  # The level is that of what is on disk, too.
  device = Busy()
  again = TableMeasurement(tiny_space, device, settings, path).measure(check_networks=8)
  assert device.count == 0 and again.rows == table.rows
  assert again.facts["reference_ms"] == "0.1"
