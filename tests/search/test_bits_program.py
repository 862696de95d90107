"""Which blocks are int8, against all choices of them."""

import dataclasses
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


@pytest.mark.parametrize("seed", range(30))
def test_with_conversions_it_is_the_best_of_all_choices_that_are_answers(seed):
  rng = random.Random(seed)
  losses, (resource, other) = drawn(rng, 7)
  # A chain of seven between float ends, of which the third takes float as well: a refused block.
  edges = ((0,), (0, 1), (1,), (2,), (2, 3), (3, 4), (4, 5), (5, 6), (6,))
  resource = dataclasses.replace(resource, edges=edges, change=rng.uniform(0.2, 3))
  every = list(itertools.product((False, True), repeat=7))
  without = rng.sample(every, 20)
  within = [
    picks
    for picks in every
    if picks not in without and all(one.of(picks) <= one.most for one in (resource, other))
  ]
  within.sort(key=lambda picks: of(losses, picks))
  found = best_bits(losses, [resource, other], without)
  assert found in within if within else found is None
  if found:
    assert of(losses, found) == pytest.approx(of(losses, within[0]), abs=1e-9)
    without += within[: len(within) // 2]
    assert best_bits(losses, [resource, other], without) not in without


def test_changes_by_hand():
  # float [0 1] float [2] float: two and two; the block between 1 and 2 stays float.
  size = BlockCosts((5.0,) * 3, (1.0,) * 3, 9.0, 0.0, ((0,), (0, 1), (1,), (2,), (2,)), 1.5)
  assert size.changes((True, True, False)) == 2 and size.of((True, True, False)) == 1 + 1 + 5 + 3
  assert size.changes((True, False, True)) == 4 and size.of((True, False, True)) == 7 + 6
  # 9 are met with all alone: 3 + 4 x 1.5; without changes two of them would do.
  assert best_bits([0.1, 0.1, 0.3], [size]) == (True, True, True)
  assert best_bits([0.1, 0.1, 0.3], [dataclasses.replace(size, change=0.0)]) == (True, True, False)


def test_without_blocks_there_is_one_choice():
  assert best_bits([], [BlockCosts((), (), 5.0, 4.0)]) == ()
  assert best_bits([], [BlockCosts((), (), 5.0, 6.0)]) is None


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
