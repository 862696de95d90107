"""What every stage of one run works with: data, search space, task, settings."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from nadv2_tf import backbones
from nadv2_tf.options import DEFAULT_CHECKPOINTS, NetworkOptions, TrainOptions
from nadv2_tf.options.network import is_given
from nadv2_tf.options.settled import settled_train
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workers
from nadv2_tf.pipeline.stages.data import make_task
from nadv2_tf.tasks.look import look_through
from nadv2_tf.tasks.stream import StreamedExamples
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  import tensorflow as tf

  from nadv2_tf.options import CheckpointOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.given.network import GivenNetwork, Unfitted
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.task import Task
  from nadv2_tf.types import AnyPath


@dataclasses.dataclass(frozen=True)
class Workbench:
  """What every stage of one run works with."""

  folder: RunFolder
  space: SearchSpace
  task: Task
  datasets: Datasets
  network_options: NetworkOptions
  train_options: TrainOptions
  strategy: strategies.OneDevice | tf.distribute.Strategy
  checkpoint_options: CheckpointOptions = DEFAULT_CHECKPOINTS
  given: GivenNetwork | None = None

  @property
  def seed(self) -> int:
    return self.network_options.seed

  @property
  def has_new_classifier(self) -> bool:
    """Whether a given network's classifier is replaced, and trained alone first."""
    return self.given is not None and self.given.is_new_classifier

  def open(self, **groups: Any) -> RunFolder:
    """The folder, opened with option groups; a given network is kept in it from then on."""
    folder = self.folder.open(**groups)
    if self.given:
      self.given.keep(folder)
    return folder

  def check_figures(self) -> None:
    """Raises ValueError if accuracies in the folder were measured on other test images."""
    digest = self.datasets.test.digest()
    for place in (self.folder, *self.folder.found_folders()):  # the same where there is one target
      lineage.check_test(place, digest)

  def look(self, progress: Progress) -> None:
    """Looks at what is streamed, so that none of it ends the run late; tells how long it took.

    Raises:
      ValueError: naming a picture that cannot be read.
    """
    parts = (self.datasets.train, self.datasets.test)
    count = sum(len(part) for part in parts if isinstance(part, StreamedExamples))
    with progress.bar("looking at the data", count, "pictures") as bar:
      notes = look_through(self.datasets, bar)
    for note in notes:
      progress.line(note)

  def tell(self, progress: Progress) -> None:
    """Prints what the user should know about the data, and about a given network."""
    for note in (*self.datasets.notes, *(self.given.lines if self.given else ())):
      progress.line(note)


def make_workbench(
  folder: RunFolder,
  network_options: NetworkOptions,
  train_options: TrainOptions,
  checkpoint_options: CheckpointOptions = DEFAULT_CHECKPOINTS,
  strategy: Any = None,
) -> Workbench:
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
  train_options = settled_train(network_options, train_options)
  source = given_network(folder, network_options)
  size = _image_size(network_options, source)
  task = make_task(network_options, size, train_options, source.spec if source else None)
  datasets = task.datasets()
  found = source.fitted(task, datasets) if source else None
  if found:
    from nadv2_tf.pipeline.stages.given.form import task_of

    task = task_of(task, found)
    space = found.space().keeping(parse_blocks(network_options.fixed_blocks))
  else:
    shape = (size, size, datasets.train.image_shape[-1])
    space = space_of(network_options, shape, task.outputs(datasets))
  bench = Workbench(
    folder,
    space,
    task,
    datasets,
    network_options,
    train_options,
    strategy,
    checkpoint_options,
    found,
  )
  workers.check_same_run(strategy, bench)
  return bench


def reopen_workbench(
  path: AnyPath,
  checkpoint_options: CheckpointOptions = DEFAULT_CHECKPOINTS,
  strategy: str = "auto",
) -> Workbench:
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


def space_of(
  network_options: NetworkOptions, input_shape: tuple[int, int, int] | None, classes: int | None
) -> SearchSpace:
  """The search space that the options ask for; of a given network that of its own shape.

  Raises:
    ValueError: for a backbone or shape that is not allowed, or fixed blocks that are none.
  """
  if is_given(network_options):
    from nadv2_tf.pipeline.stages.given.paper import on_paper

    return on_paper(network_options).space().keeping(parse_blocks(network_options.fixed_blocks))
  space = backbones.search_space(network_options.backbone, input_shape, classes)
  return space.keeping(parse_blocks(network_options.fixed_blocks))


def parse_blocks(text: str) -> list[int]:
  """The numbers in a text such as "1-7,13"; raises ValueError for any other form."""
  numbers: list[int] = []
  for part in filter(None, text.split(",")):
    ends = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part.strip())
    more = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
    if not more:
      raise ValueError(f"--fixed_blocks must be numbers and ranges such as 1-7,13, got {text!r}.")
    numbers += more
  return numbers


def given_network(folder: RunFolder, options: NetworkOptions) -> GivenNetwork | Unfitted | None:
  """The network that a run begins with, None for a backbone of the package."""
  if not is_given(options):
    return None
  from nadv2_tf.pipeline.stages.given.network import look  # starts what reads Keras models

  return look(folder, options)


def _image_size(options: NetworkOptions, source: GivenNetwork | Unfitted | None) -> int:
  if options.image_size:
    return options.image_size
  if source:
    return source.image_size
  return backbones.search_space(options.backbone).largest().input_shape[0]
