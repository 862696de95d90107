"""One of two workers on loopback; tests/training/test_multi_worker.py starts both.

  python two_workers.py RUN_FOLDER DATA.npz RESULT.npz

Trains a small super-network, scores samples, writes weights and scores, and then goes on scoring
until the second worker kills itself.
"""

import os
import random
import signal
import sys

import numpy as np

from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.options import CheckpointOptions, NetworkOptions, TrainOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.pipeline.stages.workers import own_progress
from nadv2_tf.programs import start
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head, InvertedResidual
from nadv2_tf.training import strategies
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

TRAIN = TrainOptions(
  epochs=2,
  full_epochs=0,
  batch_size=8,
  optimizer="sgd",
  learning_rate=0.01,
  subnetworks_per_batch=4,
  strategy="multi_worker",
  order="paper",
)
#: after every step
CHECKPOINTS = CheckpointOptions(0.0, 2)


def space(input_shape=(32, 32, 1), classes=2):
  """Every kind of layer but upsampling."""
  blocks = (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
    InvertedResidual(16, 24, 12, 3, 2, 4, "hard_swish", bypass_cap=4, residual=False),
    DepthwiseSeparable(12, 16, 3, 1, "relu", bypass_cap=4),
    Head(classes, 16, bypass_cap=8),
  )
  return space_of(NetworkSpec("small", input_shape, blocks), levels=4)


def options_of(data):
  return NetworkOptions("small", 32, f"npz:{data}", 8, 0)


def registered():
  """A context manager: commands know the backbone of `options_of`."""
  return BACKBONES.registered("small", space)


def main():
  output, data, result = sys.argv[1:]
  with registered():
    work(output, options_of(data), result)


def work(output, network, result):
  bench = workbench.make_workbench(RunFolder(output), network, TRAIN, CHECKPOINTS)
  bench.folder.open(network=network, train=TRAIN)
  progress = own_progress(bench.strategy, Progress())
  model = super_stage.train_super_network(bench, progress)
  holdout = bench.datasets.holdout
  evaluator = SharedWeightsEvaluator(model, bench.task, holdout, strategy=bench.strategy)
  rng = random.Random(0)
  specs = [bench.space.sample(rng) for _ in range(3)]
  scores = evaluator.accuracy(specs)
  weights = {str(number): weight for number, weight in enumerate(model.get_weights())}
  rows = strategies.own_rows(bench.strategy, TRAIN.batch_size)
  np.savez(
    result, rows=(rows.start, rows.stop), scores=scores, folder=str(bench.folder.path), **weights
  )
  strategies.wait_for_all(bench.strategy)
  print("both have trained", flush=True)
  if not strategies.is_chief(bench.strategy):
    os.kill(os.getpid(), signal.SIGKILL)
  while True:
    evaluator.accuracy(specs)


if __name__ == "__main__":
  start._guarded(main, sys.argv[:1])
