"""From --limit to meters and numbers."""

import pytest

from nadv2_tf.pipeline import metering
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with 2 to 4 filters -> global pool -> 2 classes.
NETWORK = NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2)))


@pytest.fixture(scope="module")
def space():
  return space_of(NETWORK, 2)


def test_no_limits(space):
  assert metering.parse_limits("", space) == metering.parse_limits("  ", space) == ()


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
  limits = metering.parse_limits(text, space)
  assert [(meter.unit, limit) for meter, limit in limits] == expected
  for meter, _ in limits:
    assert meter.measure(space.largest()) in (152, NETWORK.parameters())


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("parameters", "each of macs, parameters, size_bytes at most once .* got 'parameters'"),
    ("parameters=5", "such as parameters<=2e6, .* got 'parameters=5'"),
    ("energy<=5", "each of macs, parameters, size_bytes .* got 'energy<=5'"),
    ("latency_ms<=5", "each of macs, parameters, size_bytes .* got 'latency_ms<=5'"),
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
  with pytest.raises(ValueError, match=f"--limit must be .*{message}"):
    metering.parse_limits(text, space)
