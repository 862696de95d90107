"""Programs that keep a machine busy, for the study of timing beside them.

  python -m nadv2_tf.benchmarks.studies.competitors matrices|copies|training PARENT

Says "working" once it does, and works until it is ended, or the process PARENT that started it is.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping

#: rows of the matrices, which fit into a cache; bytes of a copy, which do not
SIDE = 256
COPIED = 64 * 2**20
#: images of a step of the second training
BATCH = 64


def matrices() -> Callable[[], object]:
  """Products of matrices, by one thread."""
  matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
  return lambda: matrix @ matrix


def copies() -> Callable[[], object]:
  """Copies of more memory than caches hold."""
  source, target = np.ones(COPIED, np.uint8), np.empty(COPIED, np.uint8)
  return lambda: np.copyto(target, source)


def training() -> Callable[[], object]:
  """Steps of training the demo's full network on noise, by as many threads as there are."""
  import keras

  from nadv2_tf import backbones
  from nadv2_tf.models import stand_alone

  model = stand_alone(backbones.search_space("mobilenet_v3_demo").largest())
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  model.compile(optimizer="sgd", loss=loss)
  rng = np.random.default_rng(0)
  images = rng.random((BATCH, *model.input_shape[1:]), np.float32)
  labels = rng.integers(0, model.output_shape[-1], BATCH)
  return lambda: model.train_on_batch(images, labels)


COMPETITORS: Mapping[str, Callable[[], Callable[[], object]]] = {
  "matrices": matrices,
  "copies": copies,
  "training": training,
}


def main() -> None:
  # The parent is given: it may have ended before this process could ask who it is.
  work, parent = COMPETITORS[sys.argv[1]](), int(sys.argv[2])
  work()
  print("working", flush=True)
  while os.getppid() == parent:
    work()


if __name__ == "__main__":
  main()
