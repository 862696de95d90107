"""The integer program against all networks of small spaces."""

import pytest
from additive import SKIPPED, all_picks, best_by_trying, random_gains
from toy import SPACE

from nadv2_tf.resources import MacsMeter, ParametersMeter
from nadv2_tf.search.block_program import BlockProgram, Ceiling
from nadv2_tf.search.chain import Chain
from nadv2_tf.search.choices import choices
from nadv2_tf.search.gains import sum_of

MACS, PARAMETERS = MacsMeter(), ParametersMeter()
SPACES = {"toy": SPACE, "skipped": SKIPPED}


def ceiling(chain, meter, share):
  ((constant, costs),) = chain.costs(meter)
  return Ceiling(constant, costs, share * meter.measure(chain.space.largest()))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_of_all_networks(name, seed):
  chain = Chain(SPACES[name], choices(SPACES[name], 2))
  program, gains = BlockProgram(chain), random_gains(chain.blocks, seed)
  for share, of_parameters in ((0.2, 1.0), (0.5, 1.0), (0.5, 0.4), (0.8, 0.6)):
    ceilings = [ceiling(chain, MACS, share), ceiling(chain, PARAMETERS, of_parameters)]

    def meets(spec, ceilings=ceilings):
      return all(
        meter.measure(spec) <= one.most
        for meter, one in zip((MACS, PARAMETERS), ceilings, strict=True)
      )

    best, picks = best_by_trying(chain, gains, meets), program.best(gains, ceilings)
    assert picks is not None and meets(chain.network(picks))
    assert sum_of(gains, picks) == pytest.approx(best, rel=1e-9)


def test_what_is_left_out_gives_way_to_the_next_best():
  chain = Chain(SPACE, choices(SPACE, 1))
  gains = random_gains(chain.blocks, 4)
  found = []
  while (picks := BlockProgram(chain).best(gains, without=found)) is not None:
    found.append(picks)
  assert sorted(found) == sorted(all_picks(chain))
  sums = [sum_of(gains, picks) for picks in found]
  assert sums == pytest.approx(sorted(sums, reverse=True))


def test_nothing_meets_a_ceiling_below_the_smallest_network():
  chain = Chain(SPACE, choices(SPACE, 2))
  smallest = MACS.measure(SPACE.smallest()) / MACS.measure(SPACE.largest())
  gains, program = random_gains(chain.blocks), BlockProgram(chain)
  assert program.best(gains, [ceiling(chain, MACS, 0.999 * smallest)]) is None
  assert program.best(gains, [ceiling(chain, MACS, smallest)]) == chain.smallest


def test_closed_pieces_are_in_no_network():
  chain = Chain(SPACE, choices(SPACE, 2))
  full = tuple(len(block.choices) - 1 for block in chain.blocks)
  gains = tuple(tuple(range(len(block.choices))) for block in chain.blocks)
  assert BlockProgram(chain).best(gains) == full
  # The second block full, behind a stem of 8 filters; behind one of fewer it may be.
  closed = [
    number
    for number, piece in enumerate(chain.pieces)
    if piece.index == 1 and piece.options[1] == full[1] and piece.before == (4, 4, 8)
  ]
  assert len(closed) == 1
  picks = BlockProgram(chain, closed).best(gains)
  assert picks in {(full[0] - 1, *full[1:]), (full[0], full[1] - 1, *full[2:])}
