"""Stochastic depth: the same rule in the masked, the sliced and the stand-alone network."""

import itertools

import keras
import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.models.stochastic_depth import branch_rates

RATE = 0.5
IMAGES = 16


def test_rates_rise_linearly_to_the_last_block():
  # Large MobileNetV3 adds in 10 of its 15 blocks.
  rates = branch_rates(backbones.search_space("mobilenet_v3_large").network, 0.2)
  assert len(rates) == 10 and list(rates) == sorted(rates)
  np.testing.assert_allclose(list(rates.values()), np.arange(1, 11) * 0.02)
  assert branch_rates(backbones.search_space("mobilenet_v3_large").network, 0) == {}


def test_a_removed_block_leaves_the_others_rates(tiny_space):
  space = backbones.search_space("netadaptv2_latency")
  sizes = [decision.choices[0] for decision in space.decisions]
  assert branch_rates(space.decode(sizes), 0.2) == branch_rates(space.largest(), 0.2)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_outside_its_range_is_named(tiny_space, rate):
  with pytest.raises(ValueError, match=f"--stochastic_depth .* below 1, got {rate}"):
    super_network(tiny_space, stochastic_depth=rate)


@pytest.fixture(scope="module")
def images():
  return np.random.default_rng(0).normal(size=(IMAGES, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module", params=["masked", "sliced", "stand_alone"])
def outputs_of(request, tiny_space, images, randomise):
  """Function (rate, training) -> logits; the same weights whatever the rate."""
  from nadv2_tf.training.steps.sliced import run_sliced

  space, row = tiny_space, np.array(tiny_space.encode(tiny_space.largest()), np.int32)
  seeds = itertools.count()

  def outputs(rate, training=True):
    if request.param == "stand_alone":
      model = randomise(stand_alone(space.largest(), stochastic_depth=rate), 1)
      return np.asarray(model(images, training=training))
    model = randomise(super_network(space, stochastic_depth=rate), 1)
    if request.param == "masked":
      return np.asarray(model([images, np.tile(row, (IMAGES, 1))], training=training))
    seed = np.array([next(seeds), 0], np.int32)
    return run_sliced(model, images, row, training=training, dropout_seed=seed).numpy()

  return outputs


def test_inference_knows_nothing_of_it(outputs_of):
  np.testing.assert_array_equal(outputs_of(RATE, training=False), outputs_of(0, training=False))


def test_an_image_skips_its_branch_or_takes_it_scaled(outputs_of):
  """Behind the only residual add all is linear: with rate 1/2 a branch counts 0 or 2 times."""
  keras.utils.set_random_seed(3)
  plain = outputs_of(0)
  drawn = np.stack([outputs_of(RATE) for _ in range(8)])
  is_low = []
  for image in range(IMAGES):
    first = drawn[:, image, 0]
    if np.ptp(first) < 1e-3:  # all 8 draws are alike for 1 image in 128
      continue
    low, high = drawn[first.argmin(), image], drawn[first.argmax(), image]
    # Sums of floats in another order: 1e-5 of values up to some 10.
    np.testing.assert_allclose((low + high) / 2, plain[image], atol=1e-4)
    is_low.append(np.abs(first - low[0]) < 1e-4)
    for draw, low_here in zip(drawn[:, image], is_low[-1], strict=True):
      np.testing.assert_allclose(draw, low if low_here else high, atol=1e-4)
  share = np.mean(is_low)
  assert len(is_low) > 8 and 0.25 < share < 0.75  # of 100 coins or so, 5 standard deviations
  # Which of the two is the branch taken, an image does not say.
  alike = [len(set(low == is_low[0])) == 1 for low in is_low]
  assert not all(alike), "a batch skips as one"


def test_saved_networks_need_nothing_of_this_package(tiny_space, tmp_path):
  model = stand_alone(tiny_space.largest(), stochastic_depth=RATE)
  kinds = {type(layer).__module__.split(".")[0] for layer in model.layers}
  assert kinds == {"keras"}
  path = tmp_path / "network.keras"
  model.save(path)
  loaded = keras.saving.load_model(path, safe_mode=True)
  assert loaded.get_layer("block02_branch").noise_shape == (None, 1, 1, 1)
  names = [layer.name for layer in stand_alone(tiny_space.largest()).layers]
  assert "block02_branch" not in names
