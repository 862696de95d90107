"""What every stage of one run works with: data, search space, task, settings."""

import dataclasses

from nadv2_tf import backbones
from nadv2_tf.pipeline.data import make_task
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import DEFAULT_CHECKPOINTS, NetworkOptions, TrainOptions


@dataclasses.dataclass(frozen=True)
class Workbench:
  """What every stage of one run works with."""

  folder: object
  space: object
  task: object
  datasets: object
  network_options: object
  train_options: object
  checkpoint_options: object = DEFAULT_CHECKPOINTS

  @property
  def seed(self):
    return self.network_options.seed

  def tell(self, progress):
    """Prints what the user should know about the data."""
    for note in self.datasets.notes:
      progress.line(note)


def make_workbench(folder, network_options, train_options, checkpoint_options=DEFAULT_CHECKPOINTS):
  """Reads the data and builds the search space.

  Raises:
    ValueError: one line, if an option or the data cannot be used.
  """
  size = network_options.image_size or _default_size(network_options.backbone)
  task = make_task(network_options, size, train_options.label_smoothing)
  datasets = task.datasets()
  space = backbones.search_space(
    network_options.backbone,
    input_shape=(size, size, datasets.train.images.shape[-1]),
    classes=task.outputs(datasets),
  )
  return Workbench(
    folder, space, task, datasets, network_options, train_options, checkpoint_options
  )


def reopen_workbench(path, checkpoint_options=DEFAULT_CHECKPOINTS):
  """The workbench of a run that an earlier command started.

  Raises:
    ValueError: if the folder holds no run.
  """
  folder = RunFolder(path)
  return make_workbench(
    folder,
    folder.options("network", NetworkOptions),
    folder.options("train", TrainOptions),
    checkpoint_options,
  )


def _default_size(backbone):
  return backbones.search_space(backbone).largest().input_shape[0]
