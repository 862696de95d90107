"""Which sub-network each image trains: balanced counts, kernel cycles, determinism."""

import math

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.training.widths import WidthSampler, balanced

SPACE = backbones.search_space("mobilenet_v3_demo")
WIDTH_COLUMNS = [i for i, decision in enumerate(SPACE.decisions) if decision.kind == "width"]
KERNEL_COLUMNS = [i for i, decision in enumerate(SPACE.decisions) if decision.kind == "kernel"]
FULL = np.array([decision.choices[-1] for decision in SPACE.decisions])
NOISES = [0.0, 0.2, math.inf]


def _counts(rows, column):
  """How often each choice of a decision stands in its column; every value must be a choice."""
  choices = SPACE.decisions[column].choices
  counts = [int(np.sum(rows[:, column] == choice)) for choice in choices]
  assert sum(counts) == len(rows)
  return counts


@pytest.mark.parametrize("size_noise", NOISES)
@pytest.mark.parametrize(
  ("batch_size", "subnetworks", "full"),
  [(64, 8, 0), (64, 8, 1), (64, 64, 0), (64, 64, 3), (36, 36, 0), (5, 5, 2), (24, 12, 11)],
)
def test_every_width_is_used_almost_equally_often(batch_size, subnetworks, full, size_noise):
  sampler = WidthSampler(SPACE, batch_size, subnetworks, full, size_noise=size_noise)
  repeats = batch_size // subnetworks
  for step in range(5):
    batch = sampler.batch(step)
    assert batch.shape == (batch_size, len(SPACE)) and batch.dtype == np.int32
    rows = batch[::repeats]
    np.testing.assert_array_equal(batch, np.repeat(rows, repeats, axis=0))
    np.testing.assert_array_equal(
      rows[:full, WIDTH_COLUMNS], np.tile(FULL[WIDTH_COLUMNS], (full, 1))
    )
    for column in WIDTH_COLUMNS:
      counts = _counts(rows[full:], column)
      assert max(counts) - min(counts) <= 1, SPACE.decisions[column].name


@pytest.mark.parametrize("size_noise", NOISES)
def test_the_widths_that_are_used_once_more_change_from_step_to_step(size_noise):
  # 8 sub-networks and 9 widths: in every step one width of each layer is missing. Over 60 steps
  # the same one each time would have a chance of 9^-59.
  sampler = WidthSampler(SPACE, 8, 8, size_noise=size_noise)
  column = next(c for c in WIDTH_COLUMNS if len(SPACE.decisions[c].choices) == 9)
  missing = {
    tuple(np.flatnonzero(np.array(_counts(sampler.batch(step), column)) == 0)) for step in range(60)
  }
  assert len(missing) > 1 and all(len(absent) == 1 for absent in missing)


def test_rows_are_sub_networks_of_the_space():
  for row in WidthSampler(SPACE, 16, 16, 1, size_noise=0.2).batch(3):
    SPACE.decode(row)  # raises where a value is not on the grid


def test_the_smallest_network_has_its_place_in_every_batch_but_the_first_ones():
  sampler = WidthSampler(SPACE, 16, 8, full=1, full_steps=1, smallest=2)
  smallest = np.array([decision.choices[0] for decision in SPACE.decisions])
  np.testing.assert_array_equal(
    sampler.batch(0)[:, WIDTH_COLUMNS], np.tile(FULL[WIDTH_COLUMNS], (16, 1))
  )
  batch = sampler.batch(1)[::2]
  np.testing.assert_array_equal(batch[-2:, WIDTH_COLUMNS], np.tile(smallest[WIDTH_COLUMNS], (2, 1)))
  for column in WIDTH_COLUMNS:
    counts = _counts(batch[1:-2], column)
    assert max(counts) - min(counts) <= 1


def test_own_kernels_are_balanced_over_the_sub_networks_and_not_ordered_by_size():
  sampler = WidthSampler(SPACE, 24, 12, full=2, size_noise=0.0, own_kernels=True, smallest=1)
  largest, orders = 0, set()
  for step in range(8):
    rows = sampler.batch(step)[::2]
    np.testing.assert_array_equal(rows[:2], np.tile(FULL, (2, 1)))
    for column in KERNEL_COLUMNS:
      assert rows[-1, column] == SPACE.decisions[column].choices[0]
      counts = _counts(rows[2:-1], column)
      assert max(counts) - min(counts) <= 1
      by_size = np.argsort(rows[2:-1, WIDTH_COLUMNS].sum(axis=1), kind="stable")
      orders.add(tuple(rows[2:-1, column][by_size]))
      largest = max(largest, len(set(rows[:, column])))
  assert largest > 1 and len(orders) > len(KERNEL_COLUMNS)


@pytest.mark.parametrize("full_steps", [0, 4])
def test_kernel_sizes_are_equal_in_all_rows_and_take_turns(full_steps):
  sampler = WidthSampler(SPACE, 16, 4, 1, full_steps=full_steps)
  batches = [sampler.batch(step) for step in range(12)]  # 12 = 4 cycles of 3 sizes, 6 of 2
  for column in KERNEL_COLUMNS:
    choices = SPACE.decisions[column].choices
    sizes = [set(batch[:, column].tolist()) for batch in batches]
    assert all(len(size) == 1 for size in sizes)
    sizes = [size.pop() for size in sizes]
    for start in range(0, 12, len(choices)):
      assert sorted(sizes[start : start + len(choices)]) == list(choices)


def test_layers_do_not_change_their_kernels_in_step():
  # 7 layers have 3 sizes; 12 steps are 4 cycles of 3! = 6 orders. All 7 would agree by chance with
  # probability (1/6)^(4 x 6).
  batches = [WidthSampler(SPACE, 4, 4).batch(step) for step in range(12)]
  by_layer = [
    tuple(batch[0, column] for batch in batches)
    for column in KERNEL_COLUMNS
    if len(SPACE.decisions[column].choices) == 3
  ]
  assert len(by_layer) == 7 and len(set(by_layer)) > 1


def test_in_the_first_steps_every_row_is_the_full_network():
  sampler = WidthSampler(SPACE, 12, 6, full=1, full_steps=3, size_noise=0.2)
  for step in range(3):
    assert (sampler.batch(step)[:, WIDTH_COLUMNS] == FULL[WIDTH_COLUMNS]).all()
  assert not (sampler.batch(3)[:, WIDTH_COLUMNS] == FULL[WIDTH_COLUMNS]).all()


@pytest.mark.parametrize("size_noise", NOISES)
def test_batches_are_a_function_of_seed_and_step_alone(size_noise):
  def sampler(seed):
    return WidthSampler(SPACE, 16, 8, 1, size_noise=size_noise, seed=seed)

  forwards = [sampler(5).batch(step) for step in range(4)]
  one = sampler(5)
  backwards = [one.batch(step) for step in reversed(range(4))][::-1]
  np.testing.assert_array_equal(forwards, backwards)
  for step in range(3):
    assert (forwards[step] != forwards[step + 1]).any()
  assert (sampler(6).batch(0) != forwards[0]).any()


def _resources(size_noise, step):
  """MACs of 64 sub-networks, as shares of the full network's."""
  rows = WidthSampler(SPACE, 64, 64, size_noise=size_noise).batch(step)
  return np.array([SPACE.decode(row).macs() for row in rows]) / SPACE.largest().macs()


def test_size_noise_spreads_the_resources_of_a_batch():
  # Layers drawn one by one average out; layers that follow a common size do not. Seeds are fixed;
  # over 3 batches the standard deviations are 0.06, 0.24 and 0.29.
  alone, together, in_order = (
    np.concatenate([_resources(noise, step) for step in range(3)]) for noise in (math.inf, 0.2, 0)
  )
  assert 2 * alone.std() < together.std() < in_order.std()
  assert together.min() < alone.min() and together.max() > alone.max()


def _unevenness(block_noise):
  """Over 3 batches: how far blocks differ in relative width, and how far layers within a block."""
  between, within = [], []
  for step in range(3):
    sampler = WidthSampler(SPACE, 64, 64, size_noise=0.1, block_noise=block_noise)
    shares = sampler.batch(step) / FULL
    blocks = {}
    for column in WIDTH_COLUMNS:
      blocks.setdefault(SPACE.decisions[column].blocks[0], []).append(shares[:, column])
    several = [np.array(layers) for layers in blocks.values() if len(layers) > 1]
    between.append(np.std([layers.mean(axis=0) for layers in several], axis=0).mean())
    within.append(np.mean([layers.std(axis=0).mean() for layers in several]))
  return np.mean(between), np.mean(within)


def test_block_noise_moves_the_layers_of_a_block_together():
  even, uneven = _unevenness(0.0), _unevenness(0.8)
  assert uneven[0] > 1.5 * even[0]  # blocks differ more
  assert uneven[1] <= even[1]  # the layers of one do not


def test_block_noise_keeps_the_counts_and_the_fixed_rows():
  sampler = WidthSampler(SPACE, 24, 24, full=1, smallest=1, size_noise=0.2, block_noise=0.8)
  for step in range(3):
    rows = sampler.batch(step)
    for column in WIDTH_COLUMNS:
      assert rows[0, column] == SPACE.decisions[column].choices[-1]
      assert rows[-1, column] == SPACE.decisions[column].choices[0]
      counts = _counts(rows[1:-1], column)
      assert max(counts) - min(counts) <= 1
  np.testing.assert_array_equal(sampler.batch(2), sampler.batch(2))


def test_without_noise_all_layers_follow_one_order():
  rows = WidthSampler(SPACE, 64, 64, size_noise=0.0).batch(0)
  order = np.argsort(rows[:, WIDTH_COLUMNS].sum(axis=1), kind="stable")
  assert (np.diff(rows[order][:, WIDTH_COLUMNS], axis=0) >= 0).all()


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 23])
def test_balanced_draws(count):
  choices = (0, 2, 4, 6, 8)
  drawn = balanced(choices, count, np.random.default_rng(0))
  counts = [int(np.sum(drawn == choice)) for choice in choices]
  assert len(drawn) == sum(counts) == count
  assert max(counts) - min(counts) <= 1


def test_balanced_draws_are_shuffled():
  # 20 draws of 2 values come out sorted with probability 2 / C(20, 10) < 2e-5; the seed is fixed.
  drawn = balanced((0, 1), 20, np.random.default_rng(0)).tolist()
  assert drawn not in (sorted(drawn), sorted(drawn, reverse=True))


def test_cut_networks_are_the_full_one_with_some_layers_at_widths_of_their_own():
  sampler = WidthSampler(SPACE, 16, 16, full=2, full_steps=1, smallest=1, cut=8, size_noise=0.2)
  assert np.array_equal(sampler.batch(0)[:, WIDTH_COLUMNS], np.tile(FULL[WIDTH_COLUMNS], (16, 1)))
  changed, ratios = [], []
  for step in range(1, 200):
    rows = sampler.batch(step)[:, WIDTH_COLUMNS]
    assert np.all(rows[:2] == FULL[WIDTH_COLUMNS]) and np.all(rows[7] < FULL[WIDTH_COLUMNS])
    is_cut = rows[8:] < FULL[WIDTH_COLUMNS]
    changed += is_cut.sum(1).tolist()
    ratios += (rows[8:] / FULL[WIDTH_COLUMNS])[is_cut].tolist()
  # Of 54 layers 1 to 30 are drawn, and one of 9 widths is the full one: 15.5 x 8/9 on average.
  assert np.mean(changed) == pytest.approx(15.5 * 8 / 9, abs=0.7)
  assert min(changed) <= 1 and 27 <= max(changed) <= 30
  # A layer's width says nothing of another's: all of 0, 1/8, ... 7/8 are there equally often.
  counts, _ = np.histogram(ratios, np.arange(9) / 8 - 1e-6)
  assert counts.min() > 0.7 * counts.max()


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ((16, 5), "--subnetworks_per_batch must divide the batch size 16, got 5"),
    ((16, 32), "--subnetworks_per_batch must divide the batch size 16, got 32"),
    ((16, 0), "--subnetworks_per_batch must divide the batch size 16, got 0"),
    ((16, -4), "--subnetworks_per_batch must divide the batch size 16, got -4"),
    ((16, 8, 9), "--full_subnetworks must be from 0 to the 8 sub-networks .* got 9"),
    ((16, 8, -1), "--full_subnetworks must be from 0 to the 8 sub-networks .* got -1"),
    ((16, 8, 1, 0, 0.2, 8), "--full_subnetworks .* --smallest_subnetworks .* got 1, 8 and 0"),
    ((16, 8, 1, 0, 0.2, 4, False, 0, 0.0, 4), "--cut_subnetworks .* got 1, 4 and 4"),
  ],
)
def test_settings_are_checked(arguments, message):
  with pytest.raises(ValueError, match=message):
    WidthSampler(SPACE, *arguments)


@pytest.mark.parametrize("size_noise", [math.nan, -0.1])
def test_size_noise_is_checked(size_noise):
  with pytest.raises(ValueError, match="size_noise"):
    WidthSampler(SPACE, 16, 8, size_noise=size_noise)


@pytest.mark.parametrize("block_noise", [math.nan, -0.1, math.inf])
def test_block_noise_is_checked(block_noise):
  with pytest.raises(ValueError, match="block_noise"):
    WidthSampler(SPACE, 16, 8, size_noise=0.2, block_noise=block_noise)


def test_block_noise_without_sizes_is_refused():
  with pytest.raises(ValueError, match="--block_noise does nothing where --size_noise=inf"):
    WidthSampler(SPACE, 16, 8, size_noise=math.inf, block_noise=0.5)
