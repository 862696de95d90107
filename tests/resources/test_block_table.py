"""Latency tables by block: sums worked by hand, damage, and a search on the published one."""

import json
import pathlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter, block_table
from nadv2_tf.resources.block_table import CHOICES, BlockTable
from nadv2_tf.search import MultiLayerCoordinateDescent, Problem, UnreachableTarget, minimize
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

PIXEL_1 = pathlib.Path(__file__).resolve().parents[2] / "benchmarks/tables/pixel1_mbconv.json"

ROWS = (
  {(3, 3): 1.0, (3, 6): 2.0, (5, 3): 3.0, (5, 6): 6.0},
  {(3, 3): 0.1, (3, 6): 0.2, (5, 3): 0.3, (5, 6): 0.4},
)


def _network(kernel=3, expansion=24, blocks=2):
  # 8 channels go into each block but the first.
  first = InvertedResidual(None, 8, 8, residual=False)
  others = [InvertedResidual(expansion, 48, 8, kernel)] * (blocks - 1)
  return NetworkSpec("n", (8, 8, 1), (Conv(8, 3), first, *others, Head(2)))


@pytest.mark.parametrize(
  ("kernel", "expansion", "expected"),
  [(3, 24, 0.1), (3, 48, 0.2), (5, 24, 0.3), (5, 48, 0.4)],
)
def test_a_network_is_the_sum_of_its_blocks(kernel, expansion, expected):
  table, spec = BlockTable(ROWS), _network(kernel, expansion)
  # The first block has no expansion and so no choice: the mean of 1, 2, 3 and 6.
  assert table.block_costs(spec) == (0, 3.0, expected, 0)
  assert table.measure(spec) == 3.0 + expected
  assert (table.unit, table.is_exact) == ("ms", True)


@pytest.mark.parametrize(
  ("spec", "message"),
  [
    (_network(kernel=7), "no kernel 7 with expansion 3 for MBConv block 1"),
    (_network(expansion=20), "no kernel 3 with expansion 2.5 for MBConv block 1"),
    (_network(expansion=0), "no kernel 3 with expansion 0 for MBConv block 1"),
    (_network(blocks=1), "The table is for 2 MBConv blocks, 'n' has 1"),
    (_network(blocks=3), "no kernel 3 with expansion 3 for MBConv block 2"),
    (backbones.network("mobilenet_v1"), "for 2 MBConv blocks, 'mobilenet_v1' has 0"),
  ],
)
def test_networks_that_are_not_in_the_table_are_refused(spec, message):
  with pytest.raises(ValueError, match=message):
    BlockTable(ROWS).measure(spec)


SPACE = backbones.search_space("single_path")
PUBLISHED = BlockTable.from_json(PIXEL_1)


def test_the_published_table_covers_the_space():
  assert [set(row) for row in PUBLISHED.rows] == [set(CHOICES.values())] * 22
  rng = random.Random(0)
  for spec in [SPACE.largest(), SPACE.smallest(), *(SPACE.sample(rng) for _ in range(50))]:
    assert 0 < PUBLISHED.measure(spec) < 200


def test_a_sum_over_the_published_table_by_hand():
  # From the file: block 0 has 3.9452, 3.9844, 3.9277 and 3.8584, the mean is 15.7157 / 4; block 21
  # has a 3x3 kernel and expansion 6: choice "1". In between all are choice "0".
  table = json.loads(PIXEL_1.read_text())
  assert table["0"] == {"1": 3.9452, "0": 3.9844, "3": 3.9277, "2": 3.8584}
  assert round(table["21"]["1"], 4) == 6.4995
  between = [table[str(number)]["0"] for number in range(1, 21)]
  assert between[:2] == [4.4905, 3.4111]
  expected = 15.7157 / 4 + sum(between) + 6.4995
  assert PUBLISHED.measure(SPACE.smallest()) == pytest.approx(expected, abs=1e-9)
  # One block at kernel 5 and expansion 6 instead: choice "3" of block 1, 11.5892 - 4.4905 more.
  wider = SPACE.smallest().with_block(2, kernel=5, expansion=6 * 16)
  assert PUBLISHED.measure(wider) == pytest.approx(expected + 7.0987, abs=1e-9)


class Oracle:
  """Large kernels and wide blocks are better, those of early blocks most."""

  def accuracy(self, specs):
    return [self._of(spec) for spec in specs]

  @staticmethod
  def _of(spec):
    values = zip(SPACE.encode(spec), SPACE.decisions, strict=True)
    shares = [value / decision.choices[-1] for value, decision in values]
    return sum(share / (2 + i) for i, share in enumerate(shares)) / len(shares)


@pytest.mark.parametrize("seed", range(3))
def test_a_search_ends_within_the_target_and_shrinks_kernels_too(seed):
  assert PUBLISHED.measure(SPACE.largest()) > 100 > 70 > PUBLISHED.measure(SPACE.smallest())
  optimizer = MultiLayerCoordinateDescent(20, 6, 0.05)
  problem = Problem(SPACE, SPACE.largest(), PUBLISHED, 70.0)
  result = minimize(problem, optimizer, Oracle(), seed=seed)
  assert result.resource == PUBLISHED.measure(result.spec) <= 70.0
  assert SPACE.contains(result.spec)
  searched = [result.spec.blocks[index] for index in range(2, 22)]
  assert {block.kernel for block in searched} == {3, 5}
  assert len({block.expansion / block.depthwise for block in searched}) == 2
  # Not far below: what lies between is accuracy given away.
  assert result.resource > 60


def test_a_target_below_the_smallest_network_is_refused():
  smallest = PUBLISHED.measure(SPACE.smallest())
  problem = Problem(SPACE, SPACE.largest(), PUBLISHED, smallest - 1)
  with pytest.raises(UnreachableTarget, match=f"has {smallest:g} ms"):
    minimize(problem, "mcd", Oracle())


def test_the_table_says_something_other_than_macs():
  """A 5x5 kernel costs few MACs and much time: the two resources rank networks differently."""
  rng, macs = random.Random(1), MacsMeter()
  specs = [SPACE.sample(rng) for _ in range(30)]
  by_time, by_macs = (sorted(specs, key=meter.measure) for meter in (PUBLISHED, macs))
  assert by_time != by_macs


# --- files

GOOD = {"0": {"0": 1.0, "3": 2.5}, "1": {"1": 0}}


def _write(folder, content):
  path = folder / "table.json"
  path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
  return path


def test_a_file_is_read(tmp_path):
  table = BlockTable.from_json(_write(tmp_path, GOOD))
  assert table.rows == ({(3, 3): 1.0, (5, 6): 2.5}, {(3, 6): 0.0})
  # In the order of their numbers, whatever the file's.
  rows = {str(number): {"0": float(number)} for number in (10, 2, 0, 5, 1, 9, 8, 7, 6, 4, 3)}
  table = BlockTable.from_json(_write(tmp_path, rows))
  assert [row[3, 3] for row in table.rows] == list(range(11))


DAMAGED = (
  (b"", "is no JSON file"),
  (b"\xff\xfe", "is no JSON file"),
  (b"[" * 100_000, "is no JSON file"),
  ([], "must hold an object, block number"),
  ({}, "must hold an object, block number"),
  ({"0": {"0": 1}, "2": {"0": 1}}, "numbered from 0 to 1"),
  ({"first": {"0": 1}}, "numbered from 0 to 0"),
  ({"0": [1, 2]}, "block 0: the choices must be some of 0, 1, 2, 3"),
  ({"0": {}}, "block 0: the choices must be some of 0, 1, 2, 3"),
  ({"0": {"4": 1.0}}, "block 0: the choices must be some of 0, 1, 2, 3"),
  ({"0": {"0": 1}, "1": {"2": "fast"}}, "block 1, choice 2: milliseconds .* got 'fast'"),
  ({"0": {"0": -1}}, "block 0, choice 0: milliseconds must be a number of at least 0, got -1"),
  ({"0": {"0": True}}, "choice 0: milliseconds must be a number .* got True"),
  ({"0": {"0": None}}, "choice 0: milliseconds must be a number .* got None"),
  ({"0": {"0": float("nan")}}, "choice 0: milliseconds must be a number .* got nan"),
  ({"0": {"0": float("inf")}}, "choice 0: milliseconds must be a number .* got inf"),
  ({"0": {"0": 10**400}}, "choice 0: milliseconds must be a number .* got 1000"),
)


@pytest.mark.parametrize(
  ("content", "message"), DAMAGED, ids=[str(content)[:30] for content, _ in DAMAGED]
)
def test_a_damaged_file_is_named(tmp_path, content, message):
  path = _write(tmp_path, content)
  with pytest.raises(ValueError, match=message) as refusal:
    BlockTable.from_json(path)
  assert str(path) in str(refusal.value)


def test_a_file_that_is_missing_or_too_large(tmp_path, monkeypatch):
  with pytest.raises(FileNotFoundError):
    BlockTable.from_json(tmp_path / "none.json")
  path = _write(tmp_path, GOOD)
  monkeypatch.setattr(block_table, "LARGEST_FILE", path.stat().st_size - 1)
  with pytest.raises(ValueError, match=r"table\.json is larger than \d+ bytes"):
    BlockTable.from_json(path)


FIXED = settings(derandomize=True, deadline=None, max_examples=300, database=None)
# What gets furthest into the reader.
PARTS = ['{"0":', '{"0":1', '"1":', "{", "}", "[", "]", ",", ":", '"', "1", "-", "e", "NaN", "null"]
NUMBERS = st.integers() | st.floats() | st.text(max_size=4) | st.none() | st.booleans()
KEYS = st.sampled_from("0123") | st.text(max_size=2)


def _read_or_refuse(folder, content):
  path = _write(folder, content)
  try:
    BlockTable.from_json(path)
  except ValueError as error:
    assert str(path) in str(error)


@FIXED
@given(st.binary(max_size=100) | st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
  text = text.encode() if isinstance(text, str) else text
  _read_or_refuse(tmp_path_factory.getbasetemp(), text)


@FIXED
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, NUMBERS, max_size=4) | NUMBERS, max_size=3))
def test_any_table_of_tables_is_read_or_refused(tmp_path_factory, table):
  _read_or_refuse(tmp_path_factory.getbasetemp(), table)
