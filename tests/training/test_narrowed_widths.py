"""Which sub-network each image trains where a part of the space alone is free."""

import math

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.training.widths import WidthSampler

SPACE = backbones.search_space("mobilenet_v3_demo")
WIDTH_COLUMNS = [i for i, decision in enumerate(SPACE.decisions) if decision.kind == "width"]
#: of every third decision some values, of the others one
NARROWED = tuple(
  decision.choices[1::2] if column % 3 == 0 else decision.choices[column % 2 :][:1]
  for column, decision in enumerate(SPACE.decisions)
)


@pytest.mark.parametrize("own_kernels", [False, True])
@pytest.mark.parametrize("size_noise", [0.0, 0.2, math.inf])
def test_of_a_narrowed_space_only_what_is_free_varies(size_noise, own_kernels):
  sampler = WidthSampler(
    SPACE, 24, 12, full=1, smallest=1, cut=4, size_noise=size_noise, own_kernels=own_kernels,
    values=NARROWED,
  )  # fmt: skip
  rows = np.concatenate([sampler.batch(step)[::2] for step in range(60)])
  for column, values in enumerate(NARROWED):
    assert set(rows[:, column]) == set(values), SPACE.decisions[column].name
  for column in WIDTH_COLUMNS:
    assert (rows[0::12, column] == NARROWED[column][-1]).all()  # the full network
    assert (rows[7::12, column] == NARROWED[column][0]).all()  # the smallest
    counts = [int(np.sum(rows[1:7, column] == value)) for value in NARROWED[column]]
    assert max(counts) - min(counts) <= 1
  free = [column for column in WIDTH_COLUMNS if len(NARROWED[column]) > 1]
  cut = (rows[:, free] < [NARROWED[column][-1] for column in free]).sum(axis=1).reshape(60, 12)
  assert 0 < cut[:, 8:].max() <= 0.55 * len(free) + 1 and cut[:, 8:].min() <= 1


def test_all_values_are_what_is_drawn_without_any():
  choices = tuple(decision.choices for decision in SPACE.decisions)
  how = {"full": 1, "cut": 4, "size_noise": 0.2, "block_noise": 0.5}
  one, other = (WidthSampler(SPACE, 16, 16, values=values, **how) for values in ((), choices))
  for step in range(4):
    np.testing.assert_array_equal(one.batch(step), other.batch(step))


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (NARROWED[1:], r"decisions, got values of \d+\."),
    (((), *NARROWED[1:]), r"Values of block01_filters must be some of \(.*\), got \(\)"),
    (((1000,), *NARROWED[1:]), r"must be some of \(.*\), got \(1000,\)"),
  ],
)
def test_values_are_checked(values, message):
  with pytest.raises(ValueError, match=message):
    WidthSampler(SPACE, 16, 8, values=values)
