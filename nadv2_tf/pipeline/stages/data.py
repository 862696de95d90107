"""The task of a run: the one that the outputs of its backbone are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf import backbones, tasks
from nadv2_tf.options.training import PLAIN
from nadv2_tf.tasks.augmentation import Augmentation
from nadv2_tf.tasks.cut import Cut

if TYPE_CHECKING:
  from nadv2_tf.options import NetworkOptions, TrainOptions
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.task import Task


def make_task(
  options: NetworkOptions,
  image_size: int,
  train: TrainOptions = PLAIN,
  network: NetworkSpec | None = None,
) -> Task:
  """The task of a run.

  Args:
    options: `NetworkOptions`.
    image_size: height and width of the network's input.
    train: `TrainOptions`: what the loss is made of, and how images are augmented.
    network: whose outputs tell the task; None: the backbone's largest.

  Raises:
    ValueError: for a flag that the task does not take.
  """
  network = network or backbones.search_space(options.backbone).largest()
  task = tasks.task_type(tasks.output_shape(network))
  settings = options.task_settings
  tasks.check_settings(task, settings)
  tasks.check_loss(task, train)
  return task(
    options.data,
    image_size,
    options.holdout,
    options.seed,
    train,
    how=options.input,
    whole_pictures=Augmentation(train.augmentation).is_by_picture,
    cache_bytes=round(options.input_cache_gib * 2**30),
    cut=Cut(options.test_split, options.test_share),
    **settings,
  )
