"""Settings of optimizers that are out of range."""

import math

import pytest

from nadv2_tf.search import (
  Differentiable,
  Evolution,
  Flash,
  FpNas,
  Hurricane,
  IntegerProgram,
  LayerNAS,
  NetAdaptV1,
  RandomSearch,
  SingleLayerCoordinateDescent,
)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: RandomSearch(0), "samples must be at least 1, got 0"),
    (lambda: Evolution(population=0), "at least 1, got 0, 10 and 20"),
    (lambda: Evolution(generations=0), "at least 1, got 50, 10 and 0"),
    (lambda: Evolution(mutations=26), "at most the population of 50, got 26 and 25"),
    (lambda: Evolution(mutations=-1), "at least 0 .*, got -1 and 25"),
    (lambda: Evolution(mutation_probability=0.0), "above 0 and at most 1, got 0.0"),
    (lambda: SingleLayerCoordinateDescent(initial_reduction=1.0), "between 0 and 1, got 1.0"),
    (lambda: SingleLayerCoordinateDescent(choose_by="loss"), "one of accuracy, ratio, got 'loss'"),
    (lambda: FpNas(search_steps=0), "search_steps must be at least 1 .*, got 0 and 0.5"),
    (lambda: FpNas(joint_after=1.5), "joint_after between 0 and 1, got 400 and 1.5"),
    (lambda: FpNas(step_size=0.0), "step_size .* numbers above 0, got 0.25, 0.0 and 0.005"),
    (lambda: FpNas(step_size=math.nan), "numbers above 0, got 0.25, nan and 0.005"),
    (lambda: FpNas(likelihood_scale=math.inf), "numbers above 0, got 0.25, 0.5 and inf"),
    (lambda: FpNas(cost_weight=-1.0), "cost_weight must be a number of at least 0, got -1.0"),
    (lambda: Hurricane(population=0), "at least 1, got 0, 10 and 20"),
    (lambda: Hurricane(options_per_block=0), "at least 1, got 0 and 4"),
    (lambda: Hurricane(width_levels=0), "at least 1, got 4 and 0"),
    (lambda: Differentiable(refits=0), "--refits must be at least 1, got 0"),
    (lambda: Differentiable(gumbel_temperature=0.0), "--gumbel_temperature must be at least 0.001"),
    (lambda: LayerNAS(buckets=0), "at least 1, got 0, 1 and 4"),
    (lambda: LayerNAS(kept_per_bucket=0), "at least 1, got 100, 0 and 4"),
    (lambda: LayerNAS(width_levels=0), "at least 1, got 100, 1 and 0"),
    (lambda: Flash(flash_samples=3), "--flash_samples must be at least 4, got 3"),
    (
      lambda: IntegerProgram("guessed"),
      "--gains must be one of measured, regressed, got 'guessed'",
    ),
    (lambda: IntegerProgram(gain_samples=1), "--gain_samples must be at least 2, got 1"),
    (lambda: NetAdaptV1(reduction_decay=0.0), "above 0 and at most 1, got 0.0"),
  ],
)
def test_settings_are_checked(make, message):
  with pytest.raises(ValueError, match=message):
    make()
