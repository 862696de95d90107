"""Prints how far four replicas end from one device, largest difference of losses and of weights.

A process of its own: TensorFlow makes its devices once, and the tests beside it have two.
"""

import keras
import numpy as np
import tensorflow as tf

from nadv2_tf.models import super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training import strategies
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.widths import WidthSampler

BATCH = 16
RECIPE = Recipe(2, BATCH, "sgd", 0.05, weight_decay=0.0)
BLOCKS = (
  Conv(8, 3, 2, "hard_swish", bypass_cap=4),
  InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
  Head(2, 16, bypass_cap=8),
)


def train(name, subnetworks):
  """(losses, weights) after eight steps."""
  space = space_of(NetworkSpec("small", (8, 8, 1), BLOCKS), levels=4)
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (64, 8, 8, 1)).astype(np.uint8)
  strategy = strategies.make_strategy(name)
  keras.utils.set_random_seed(1)
  with strategy.scope():
    model = super_network(space, **strategies.batch_norm_form(strategy, BATCH, subnetworks))
  sampler = WidthSampler(space, BATCH, subnetworks, full=1)
  loop = TrainingLoop(model, Classification("demo", 8, 1, 0), RECIPE, sampler, strategy)
  reports = loop.run(Examples(images, rng.integers(0, 2, 64)), report_every=1)
  return [report.loss for report in reports], [v.numpy() for v in model.trainable_variables]


def main():
  cpu = tf.config.list_physical_devices("CPU")[0]
  tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
  assert strategies.make_strategy("mirrored").num_replicas_in_sync == 4
  for subnetworks in (4, BATCH):
    (one, weights), (four, others) = (train(name, subnetworks) for name in ("one", "mirrored"))
    apart = (np.max(np.abs(a - b)) for a, b in zip(weights, others, strict=True))
    print(len(one), np.max(np.abs(np.subtract(one, four))), max(apart), flush=True)


if __name__ == "__main__":
  main()
