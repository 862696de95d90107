"""How many threads TensorFlow splits one operator into, decided before it starts.

On two cores the operators of a small step gain nothing from being split: a step of the demo's
networks takes 34 ms where each operator has one thread and other operators run beside it, and 54 ms
where each is split (benchmarks/results/threads.txt). Larger steps were 11 % quicker to 10 % slower.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.types import AnyPath

#: pixels of a step's images (batch x height x width) below which a step is small
SMALL_STEP = 2**17
#: the machines that this was measured on have so many cores
CORES = 2


def of_step(backbone: str | None, image_size: int | None, batch_size: int) -> int | None:
  """Threads of an operator in such a training, None for TensorFlow's own choice.

  Args:
    backbone: its name, None of a given network; one that is unknown is told by who uses it.
    image_size: height and width; 0 or None for the backbone's own.
    batch_size: images of a step.
  """
  from nadv2_tf import backbones

  if _cores() > CORES:
    return None
  try:
    size = image_size or backbones.search_space(str(backbone)).network.input_shape[0]
  except ValueError:
    return None
  return 1 if batch_size * size**2 < SMALL_STEP else None


def of_folder(path: AnyPath) -> int | None:
  """The same for the run in a folder, whose stages shall all run alike."""
  from nadv2_tf.pipeline.run_folder.folder import RunFolder

  settings = RunFolder(path).settings()
  try:
    network, train = settings["network"], settings["train"]
    backbone = None if network.get("network") else network["backbone"]
    return of_step(backbone, network["image_size"], train["batch_size"])
  except (KeyError, TypeError):
    return None  # what is missing is told by who needs it


def _cores():
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
