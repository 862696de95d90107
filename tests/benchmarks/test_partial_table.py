"""What has been measured so far: kept on disk, torn, damaged, or of something else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf.benchmarks.tables.partial import LARGEST_LINE, PartialTable

# What gets furthest into the reader.
PARTS = ['{"seed":0}', "\n", '[["piece",1],0.5]', "[", "]", ",", '"', "0", "-", "e9", "NaN", "{}"]


def test_a_partial_file_there_and_back(tmp_path):
  path, header = tmp_path / "p", {"device": "fake", "seed": 0}
  first = PartialTable(path, header)
  first.add({("piece", "conv", 3): 0.25, ("network", 1, 2): 7.0})
  assert ("piece", "conv", 3) in first and ("piece", "conv", 4) not in first
  second = PartialTable(path, header)
  assert (second["piece", "conv", 3], second["network", 1, 2]) == (0.25, 7.0)
  second.remove()
  assert not path.exists()
  PartialTable(None, header).add({("a",): 1.0})  # keeps nothing


def test_what_is_forgotten_stays_so_and_may_come_again(tmp_path):
  path, header = tmp_path / "p", {"seed": 0}
  first = PartialTable(path, header)
  first.add({("piece", 1): 0.5, ("piece", 2): 0.7, ("network", 3): 0.9}, {("piece", 1): 0.25})
  assert [first.doubt(key) for key in first.keys("piece")] == [0.25, 0]
  first.forget([("piece", 1)])
  assert ("piece", 1) not in first and first.keys("piece") == [("piece", 2)]
  again = PartialTable(path, header)
  assert ("piece", 1) not in again and ("network", 3) in again
  again.add({("piece", 1): 0.6}, {("piece", 1): 0.125})
  third = PartialTable(path, header)
  assert third["piece", 1] == 0.6 and third.doubt(("piece", 1)) == 0.125


@pytest.mark.parametrize("torn", ['[["piece",2],0.', '[["piece",2],0.5]', "\x00"])
def test_a_torn_last_line_is_measured_again(tmp_path, torn):
  path = tmp_path / "p"
  PartialTable(path, {"seed": 0}).add({("piece", 1): 0.5})
  whole = path.read_bytes()
  path.write_bytes(whole + torn.encode())
  table = PartialTable(path, {"seed": 0})
  assert ("piece", 1) in table and ("piece", 2) not in table
  table.add({("piece", 2): 0.75})
  assert PartialTable(path, {"seed": 0})["piece", 2] == 0.75


def test_a_torn_header_is_begun_anew(tmp_path):
  path = tmp_path / "p"
  path.write_bytes(b'{"seed":')
  PartialTable(path, {"seed": 0}).add({("piece", 1): 0.5})
  assert ("piece", 1) in PartialTable(path, {"seed": 0})


DAMAGED = {
  "three items": "[1, 2, 3]",
  "text": "nonsense",
  "text for a number": '[["piece"], "fast"]',
  "a number alone": "3",
  "an object": '{"a": 1}',
  "null for a doubt": '[["piece"], 1, null]',
  "a text for a doubt": '[["piece"], 1, "much"]',
  "four items": '[["piece"], 1, 2, 3]',
  "none": "[]",
  "a text for a key": '["piece", 1]',
  "NaN": '[["piece"], NaN]',
  "negative": '[["piece"], -1]',
  "infinite": '[["piece"], 1e999]',
  "deep": "[" * 5000,
  "a large integer": f'[["piece"], {"9" * 400}]',
  "a long line": f'[["{"x" * LARGEST_LINE}"], 1]',
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_line_is_named(tmp_path, damage):
  path, line = tmp_path / "p", DAMAGED[damage].encode() + b"\n"
  PartialTable(path, {"seed": 0}).add({("piece", 1): 0.5})
  path.write_bytes(path.read_bytes() + line)
  with pytest.raises(ValueError, match=rf"{path}, line 3 is damaged: ") as error:
    PartialTable(path, {"seed": 0})
  assert len(str(error.value)) < 300 + len(str(path))
  path.write_bytes(line)
  with pytest.raises(ValueError, match="line 1 is damaged|was begun with seed = None, now it is 0"):
    PartialTable(path, {"seed": 0})


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=80) | st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_any_file_is_read_or_refused(tmp_path_factory, text):
  path = tmp_path_factory.getbasetemp() / "p"
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  try:
    PartialTable(path, {"seed": 0})
  except ValueError as error:
    assert str(path) in str(error)
