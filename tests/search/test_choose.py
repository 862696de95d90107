"""Which of the candidates of an iteration a descent goes on from."""

import pytest

from nadv2_tf.search import Candidate
from nadv2_tf.search.descent import choose


def test_choose_takes_the_most_accurate_and_of_those_the_cheapest():
  scored = [Candidate("a", 0.5, 3), Candidate("b", 0.7, 9), Candidate("c", 0.7, 8)]
  assert choose("accuracy", scored).spec == "c"


def test_choose_by_ratio_takes_the_least_accuracy_lost_per_resource_saved():
  # From 0.81 at 11: a loses 0.01 for 1 saved, b 0.011 for 10, c 0.5 for 10.5.
  start = Candidate("start", 0.81, 11)
  scored = [Candidate("a", 0.8, 10), Candidate("b", 0.799, 1), Candidate("c", 0.31, 0.5)]
  assert choose("ratio", scored, start).spec == "b"


@pytest.mark.parametrize(
  ("better", "worse"),
  [
    ((0.81, 1), (0.81, 10)),  # both gain as much, and the first saves more
    ((0.802, 8), (0.801, 9.9)),  # the first gains more and saves more
    ((0.83, 5), (0.82, 5)),
    ((0.8, 5), (0.8, 6)),  # nothing lost: the cheaper one
    ((0.8, 10), (0.79, 1)),  # nothing lost comes before any loss
  ],
)
def test_of_gains_none_is_chosen_that_another_beats_in_both(better, worse):
  start = Candidate("start", 0.8, 11)
  scored = [Candidate("worse", *worse), Candidate("better", *better)]
  assert choose("ratio", scored, start).spec == "better"
