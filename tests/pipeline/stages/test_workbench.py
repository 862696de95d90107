"""What the options of a run make of a search space."""

import pytest

from nadv2_tf.pipeline.stages.workbench import parse_blocks


def test_blocks_are_given_as_numbers_and_ranges():
  assert parse_blocks("") == []
  assert parse_blocks("1-3,7") == [1, 2, 3, 7]
  for text in ("a", "1-", "-2", "1-b", "1;2", "1.5", "7-1", "1-99999999999"):
    with pytest.raises(ValueError, match="--fixed_blocks must be numbers and ranges"):
      parse_blocks(text)
