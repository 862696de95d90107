"""From --target to a number."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf.pipeline.aim import amounts

LARGEST = 400.0


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("30", 30),
    ("0.5", 0.5),
    (".5", 0.5),
    ("12.", 12),
    ("1e-3", 0.001),
    ("225e6", 225e6),
    ("225E+6", 225e6),
    ("225M", 225e6),
    ("2.5 M", 2.5e6),
    ("3k", 3000),
    ("3K", 3000),
    ("1G", 1e9),
    (" 30 ", 30),
    ("50%", 200),  # of 400
    ("12.5 %", 50),
    ("100%", 400),
    ("150%", 600),
    ("1e1%", 40),
  ],
)
def test_target_is_a_number_or_a_share(text, expected):
  assert amounts.parse_target(text, LARGEST) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
  "text",
  ["", "half", "0", "0%", "0.0M", "-5", "-5%", "+5", "5ms", "5%%", "5kM", "1,5", "1.2.3", "M", "%"]
  + ["nan", "inf", "1e", "1e999", "5m", "0x10", "1_000", "5 5", "."],
)
def test_other_targets_are_refused(text):
  with pytest.raises(ValueError, match="--target must be a number above 0, such as 30, 225e6") as e:
    amounts.parse_target(text, LARGEST)
  assert str(e.value).endswith(f"got {text!r}.")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="0123456789.eE+-kKMG% ", max_size=8))
def test_any_text_is_a_positive_number_or_refused(text):
  try:
    assert amounts.parse_target(text, LARGEST) > 0
  except ValueError as error:
    assert "--target" in str(error)
