"""Which blocks are int8 at every size that files can have, of files that are told and not made."""

import itertools
import json

import numpy as np
import pytest

from nadv2_tf.export import blocks
from nadv2_tf.export.block_losses import BlockLosses
from nadv2_tf.export.mixed import choose
from nadv2_tf.options import ExportOptions


class StandIn:
  """Files that are told and not made: weights, a graph, what int8 blocks and conversions add.

  Args:
    weights: bytes of each block in float; in int8 they are a quarter.
    grown: bytes that each block adds to the graph in int8.
    of_choice: function of a choice -> further bytes of its file.
  """

  def __init__(self, weights, grown=(), conversion=150, of_choice=lambda int8: 0):
    self.blocks = tuple(range(1, len(weights) + 1))
    self._weights, self._grown = dict(enumerate(weights, 1)), dict(enumerate(grown, 1))
    self._conversion, self._of_choice = conversion, of_choice
    self.in_float, self.made = self.content(()), []

  def content(self, int8):
    if int8:
      self.made.append(frozenset(int8))
    return json.dumps(sorted(int8)).encode()

  def weights(self, content):
    int8 = json.loads(content)
    return {b: size // 4 if b in int8 else size for b, size in self._weights.items()}

  def size(self, content):
    int8 = json.loads(content)
    precisions = [False, *(block in int8 for block in self.blocks), False]
    changes = sum(one != other for one, other in itertools.pairwise(precisions))
    graph = 100 + self._conversion * changes + self._of_choice(frozenset(int8))
    return graph + sum(self.weights(content).values()) + sum(self._grown.get(b, 0) for b in int8)


def predicted(losses, int8):
  return losses.in_float + sum(map(losses.added, int8))


def every_size(stand_in, added, monkeypatch, floats=()):
  """Asks for every size that a choice has, and the bytes between; checks the choice for each."""
  monkeypatch.setattr(blocks, "conversions", lambda content: 0)
  free = [block for block in stand_in.blocks if block not in floats]
  losses = BlockLosses(
    "", 1.0, {str(b): 1.0 + added[b - 1] for b in free}, {str(b): "no" for b in floats}
  )
  every = itertools.product((False, True), repeat=len(free))
  sizes = {
    int8: stand_in.size(stand_in.content(int8))
    for int8 in (frozenset(itertools.compress(free, picks)) for picks in every)
  }
  for most in sorted({size + more for size in sizes.values() for more in (0, 37)}):
    found = choose(stand_in, losses, ExportOptions("mixed", max_size=str(most)))
    assert stand_in.size(found.content) <= most
    best = min(predicted(losses, int8) for int8, size in sizes.items() if size <= most)
    assert predicted(losses, found.int8) == pytest.approx(best, abs=1e-12), most
  with pytest.raises(ValueError, match="cannot be met: with all blocks in int8 that can be the"):
    choose(stand_in, losses, ExportOptions("mixed", max_size=str(min(sizes.values()) - 1)))


def test_every_size_that_a_choice_has_is_met_by_the_best_choice(monkeypatch):
  # All in int8: 800 bytes of weights, 100 of the graph, two conversions, 1200 together.
  stand_in = StandIn((1000, 200, 1000, 1000))
  assert stand_in.size(stand_in.content(stand_in.blocks)) == 1200
  every_size(stand_in, (1, 2, 1, 1), monkeypatch)


@pytest.mark.parametrize("seed", range(4))
def test_so_is_every_size_where_files_are_larger_than_can_be_told(seed, monkeypatch):
  rng = np.random.default_rng(seed)
  weights = [int(size) for size in 4 * rng.integers(200, 1000, 5)]
  stand_in = StandIn(
    weights,
    rng.integers(0, 200, 5).tolist(),
    150,
    lambda int8: 13 * hash(int8) % 60 * (len(int8) > 1),
  )
  every_size(stand_in, rng.uniform(0.1, 1, 5), monkeypatch, floats=(2,) if seed % 2 else ())


def test_where_no_file_is_as_small_as_the_bound_a_file_is_found_all_the_same(monkeypatch):
  # Ten blocks alike, and all choices but one are larger than the bound says: 1024 files to try.
  stand_in = StandIn((1000,) * 10, of_choice=lambda int8: 4000 if 1 < len(int8) < 10 else 0)
  monkeypatch.setattr(blocks, "conversions", lambda content: 0)
  losses = BlockLosses("", 1.0, {str(b): 1.0 + 0.1 * b for b in stand_in.blocks})
  found = choose(stand_in, losses, ExportOptions("mixed", max_size="6000"))
  assert found.int8 == set(stand_in.blocks)
  assert len(stand_in.made) < 60
