"""Load and drift on a phone, told by the smallest run and by the network that rides along."""

import dataclasses

import pytest

from nadv2_tf.benchmarks.timing import device
from nadv2_tf.benchmarks.timing.batch import DRIFT_WAIT
from nadv2_tf.benchmarks.timing.errors import Unsteady
from nadv2_tf.options import TimingSettings


def test_a_phone_under_load_is_timed_again_and_marked(phone, models):
  """Its repeats agree with each other: only the smallest run tells of the load."""
  recorded = (phone.state / "says.stdout").read_text()
  # As recorded but for a smallest run of 0.2 ms: the median of 0.354 ms lies 77 % above it.
  phone.say("says.stdout", recorded.replace("min=319", "min=200"))
  settings = TimingSettings(repeats=1, attempts=2, timeout=20)
  paths = models("net")
  with phone.device() as device:
    (timing,) = device.time_files(paths, settings)
    with pytest.raises(Unsteady, match="its median lies 77% above its smallest run"):
      device.time_files(paths, dataclasses.replace(settings, on_unsteady="fail"))
    assert (timing.latency_ms, timing.spread, timing.steady) == (0.354, 0, False)
    assert phone.timed() == ["net"] * 4
    phone.say("says.stdout", recorded)
    (quiet,) = device.time_files(paths, settings)
  assert quiet.steady and phone.timed() == ["net"] * 5


def test_a_phone_that_becomes_slower_is_waited_for(phone, models, monkeypatch):
  waited = []
  monkeypatch.setattr(device.time, "sleep", waited.append)
  # The second reading of the first batch is twice the first, as of a phone that turned its clock
  # down without a word; then it stays so.
  phone.say("reference", "400\n800\n800\n810\n")
  with phone.device() as opened:
    (timing,) = opened.time_files(models("net"), TimingSettings(repeats=1, timeout=20))
  assert phone.timed(with_reference=True) == ["reference", "net", "reference"] * 2
  assert DRIFT_WAIT in waited and timing.steady
  assert timing.reference_ms == pytest.approx(0.805)
  assert timing.drift == pytest.approx(0.01 / 0.805)
  # (800 - 400) / 600
  assert timing.notes == (
    "taken 2 times, because at first the reference network beside it drifted by 66.7%, more than "
    "the 10.0% allowed",
  )


def test_a_phone_that_goes_on_drifting_is_marked_or_refused(phone, models, monkeypatch):
  monkeypatch.setattr(device, "DRIFT_WAIT", 0.0)
  phone.say("reference", "".join(f"{400 * 1.3**call:.0f}\n" for call in range(9)))
  paths = models("net")
  settings = TimingSettings(repeats=1, attempts=2, timeout=20)
  with phone.device() as opened:
    (timing,) = opened.time_files(paths, settings)
    assert not timing.steady and timing.doubt.startswith("the reference network beside it drifted")
    with pytest.raises(Unsteady, match="reference network beside it drifted by"):
      opened.time_files(paths, dataclasses.replace(settings, on_unsteady="fail"))
