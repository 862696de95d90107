"""From --limit to meters and numbers."""

import importlib
import sys
import textwrap

import pytest

from nadv2_tf.pipeline.aim.limits import parse_limits
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with 2 to 4 filters -> global pool -> 2 classes.
NETWORK = NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2)))


MODULE = """
  class Energy:
    unit, is_exact = "mJ", True

    def measure(self, spec):
      return 3 * spec.macs()

  class Drifting:
    unit, is_exact, asked = "mJ", False, 0

    def measure(self, spec):
      Drifting.asked += 1
      return 100 + Drifting.asked
"""


@pytest.fixture(autouse=True)
def my_meters(tmp_path, monkeypatch):
  (tmp_path / "my_meters.py").write_text(textwrap.dedent(MODULE))
  monkeypatch.syspath_prepend(tmp_path)
  yield
  sys.modules.pop("my_meters", None)


@pytest.fixture(scope="module")
def space():
  return space_of(NETWORK, 2)


def test_no_limits(space):
  assert parse_limits("", space) == parse_limits("  ", space) == ()


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("parameters<=20", [("parameters", 20)]),
    (" parameters <= 2e1 ", [("parameters", 20)]),
    ("macs<=1k,parameters<=20", [("MACs", 1000), ("parameters", 20)]),
    ("parameters<=20, macs<=50%", [("parameters", 20), ("MACs", 76)]),  # 38 n MACs, n = 4
  ],
)
def test_limits_are_meters_with_numbers(space, text, expected):
  limits = parse_limits(text, space)
  assert [(meter.unit, limit) for meter, limit in limits] == expected
  for meter, _ in limits:
    assert meter.measure(space.largest()) in (152, NETWORK.parameters())


@pytest.mark.parametrize(
  ("text", "message"),
  [
    (
      "parameters",
      "size_bytes or package.module:Class at most once .* got 'parameters'",
    ),
    ("parameters=5", "such as parameters<=2e6, .* got 'parameters=5'"),
    ("energy<=5", "each of macs, parameters, .* got 'energy<=5'"),
    ("latency_ms<=5", "each of macs, parameters, .* got 'latency_ms<=5'"),
    ("my_meters:Other<=5", "'my_meters' has no class 'Other'"),
    ("macs<=5,macs<=6", "at most once .* got 'macs<=6'"),
    ("macs<=5,", "commas between them; got ''"),
    (",", "got ''"),
    ("<=5", "got '<=5'"),
    ("macs<=0", "number above 0 after macs<=, such as 2e6 or 2M, or a share .* got '0'"),
    ("macs<=", "number above 0 after macs<=, .* got ''"),
    ("macs<=5<=6", "number above 0 after macs<=, .* got '5<=6'"),
    ("macs<=-5", "number above 0 after macs<=, .* got '-5'"),
  ],
)
def test_other_limits_are_refused(space, text, message):
  start = "" if text.startswith("my_") else "--limit must be .*"
  with pytest.raises(ValueError, match=f"{start}{message}"):
    parse_limits(text, space)


def test_a_meter_of_ones_own_is_a_limit(space):
  ((meter, limit),) = parse_limits("my_meters:Energy<=50%", space)
  assert (meter.unit, meter.is_exact, limit) == ("mJ", True, 0.5 * 3 * 152)
  assert meter.measure(space.smallest()) == 3 * space.smallest().macs()


def test_what_is_not_exact_is_asked_once_for_a_folder(space, folder):
  """Another value for the largest network would make 50 % of it another limit, and search."""
  meters = importlib.import_module("my_meters")
  meters.Drifting.asked = 0
  # The middle network of two is the largest, and known then.
  first = parse_limits("my_meters:Drifting<=50%,macs<=150", space, folder)
  assert [limit for _, limit in first] == [0.5 * (100 + 2), 150]
  again = parse_limits("my_meters:Drifting<=50%,macs<=150", space, folder)
  assert [limit for _, limit in again] == [0.5 * (100 + 2), 150] and meters.Drifting.asked == 2
  assert again[0][0].measure(space.largest()) == 102 and meters.Drifting.asked == 2
  assert not again[0][0].is_exact
