"""Which blocks are int8, against all choices of them."""

import itertools
import random

import pytest
import scipy.optimize

from nadv2_tf.search.bits_program import BlockCosts, best_bits


def drawn(rng, blocks):
  losses = [rng.uniform(-0.1, 1) for _ in range(blocks)]
  resources = []
  for share in (rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.1)):
    in_float = [rng.uniform(1, 10) for _ in range(blocks)]
    in_int8 = [rng.uniform(0.2, 1.2) * cost for cost in in_float]  # some are slower
    constant = rng.uniform(0, 5)
    most = constant + share * sum(in_float)
    resources.append(BlockCosts(tuple(in_float), tuple(in_int8), most, constant))
  return losses, resources


def of(losses, picks):
  return sum(loss for loss, is_int8 in zip(losses, picks, strict=True) if is_int8)


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_best_of_all_choices(seed):
  losses, resources = drawn(random.Random(seed), 8)
  within = [
    picks
    for picks in itertools.product((False, True), repeat=8)
    if all(resource.of(picks) <= resource.most for resource in resources)
  ]
  found = best_bits(losses, resources)
  if not within:
    assert found is None
    return
  assert found in within
  assert of(losses, found) == pytest.approx(min(of(losses, picks) for picks in within), abs=1e-9)


def test_some_programs_above_have_an_answer_and_some_have_none():
  found = [best_bits(*drawn(random.Random(seed), 8)) for seed in range(30)]
  assert 5 <= sum(picks is None for picks in found) <= 25


def test_by_hand():
  # Three of 10 bytes each, 2 of them in int8. 15 bytes beside 1 of the graph: two in int8 and one
  # in float are 14; the two that lose least.
  size = BlockCosts((10.0, 10.0, 10.0), (2.0, 2.0, 2.0), most=16.0, constant=1.0)
  assert best_bits([0.3, 0.1, 0.2], [size]) == (False, True, True)
  assert size.of((False, True, True)) == 15.0 and size.least == 7.0
  # The first is slow in float: with the ceiling on it as well it has to be int8.
  time = BlockCosts((9.0, 1.0, 1.0), (1.0, 2.0, 2.0), most=4.0)
  assert best_bits([0.3, 0.1, 0.2], [size, time]) == (True, True, False)
  assert best_bits([0.3, 0.1, 0.2], [size, BlockCosts((9.0,) * 3, (9.0,) * 3, 26.0)]) is None


def test_without_a_ceiling_what_gains_is_int8():
  assert best_bits([0.1, -0.1, 0.0], [])[:2] == (False, True)


def test_a_solver_that_gives_up_has_not_found_that_nothing_fits(monkeypatch):
  gave_up = scipy.optimize.OptimizeResult(x=None, status=1, message="time limit")
  monkeypatch.setattr(scipy.optimize, "milp", lambda *_, **__: gave_up)
  with pytest.raises(RuntimeError, match="HiGHS gave up on a program of 2 blocks: time limit"):
    best_bits([0.1, 0.2], [])
