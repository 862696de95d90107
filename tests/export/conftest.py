"""A small network and its images, which the tests of the export share."""

import numpy as np
import pytest

from nadv2_tf.models import stand_alone
from nadv2_tf.tasks.examples import Examples


@pytest.fixture(scope="session")
def spec():
  """Every kind of layer but upsampling, with bypasses, removed layers and all activations."""
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

  blocks = (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 12, 6, 5, 1, 4, "relu", bypass_cap=4),
    InvertedResidual(12, 12, 2, 3, 2, None, "hard_swish", bypass_cap=4, residual=False),
    InvertedResidual(0, 0, 0, 3, 2, 4, "relu", bypass_cap=4, residual=False),
    InvertedResidual(6, 8, 10, 3, 1, 4, "hard_swish", bypass_cap=4),
    Head(3, 8),
  )
  return NetworkSpec("tiny", (8, 8, 1), blocks)


@pytest.fixture
def network(spec, randomise):
  """A stand-alone Keras network of `spec`, every weight and statistic drawn."""
  return randomise(stand_alone(spec), seed=3)


@pytest.fixture(scope="session")
def examples():
  rng = np.random.default_rng(4)
  images = rng.integers(0, 256, (96, 8, 8, 1)).astype(np.uint8)
  return Examples(images, rng.integers(0, 3, 96))
