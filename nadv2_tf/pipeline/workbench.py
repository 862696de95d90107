"""What every stage of one run works with: data, search space, task, settings."""

import dataclasses
import re

from nadv2_tf import backbones
from nadv2_tf.pipeline import workers
from nadv2_tf.pipeline.data import make_task
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.pipeline.options import DEFAULT_CHECKPOINTS, NetworkOptions, TrainOptions
from nadv2_tf.training import strategies


@dataclasses.dataclass(frozen=True)
class Workbench:
  """What every stage of one run works with."""

  folder: object
  space: object
  task: object
  datasets: object
  network_options: object
  train_options: object
  strategy: object
  checkpoint_options: object = DEFAULT_CHECKPOINTS

  @property
  def seed(self):
    return self.network_options.seed

  def tell(self, progress):
    """Prints what the user should know about the data."""
    for note in self.datasets.notes:
      progress.line(note)


def make_workbench(
  folder,
  network_options,
  train_options,
  checkpoint_options=DEFAULT_CHECKPOINTS,
  strategy=None,
):
  """Reads the data and builds the search space.

  Args:
    folder: the `RunFolder`; workers other than the chief get one of their own.
    network_options, train_options, checkpoint_options: the option groups.
    strategy: if it was made already; None makes that of `train_options`.

  Raises:
    ValueError: one line, if an option or the data cannot be used.
  """
  if strategy is None:
    strategy = strategies.make_strategy(train_options.strategy)
    folder = workers.own_folder(strategy, folder)
  size = network_options.image_size or _default_size(network_options.backbone)
  task = make_task(network_options, size, train_options.label_smoothing, train_options.augmentation)
  datasets = task.datasets()
  shape = (size, size, datasets.train.image_shape[-1])
  space = space_of(network_options, shape, task.outputs(datasets))
  bench = Workbench(
    folder, space, task, datasets, network_options, train_options, strategy, checkpoint_options
  )
  workers.check_same_run(strategy, bench)
  return bench


def reopen_workbench(path, checkpoint_options=DEFAULT_CHECKPOINTS, strategy="auto"):
  """The workbench of a run that an earlier command started.

  Args:
    path: of the run.
    checkpoint_options: how trainings are kept from now on.
    strategy: name of the one to go on with.

  Raises:
    ValueError: if the folder holds no run.
  """
  strategy = strategies.make_strategy(strategy)
  folder = workers.own_folder(strategy, RunFolder(path))
  network, train = folder.options("network", NetworkOptions), folder.options("train", TrainOptions)
  return make_workbench(folder, network, train, checkpoint_options, strategy)


def space_of(network_options, input_shape, classes):
  """The search space that the options ask for.

  Raises:
    ValueError: for a backbone or shape that is not allowed, or fixed blocks that are none.
  """
  space = backbones.search_space(network_options.backbone, input_shape, classes)
  return space.keeping(parse_blocks(network_options.fixed_blocks))


def parse_blocks(text):
  """The numbers in a text such as "1-7,13"; raises ValueError for any other form."""
  numbers = []
  for part in filter(None, text.split(",")):
    ends = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
    more = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
    if not more:
      raise ValueError(f"--fixed_blocks must be numbers and ranges such as 1-7,13, got {text!r}.")
    numbers += more
  return numbers


def _default_size(backbone):
  return backbones.search_space(backbone).largest().input_shape[0]
