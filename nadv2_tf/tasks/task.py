"""What a task is: data, loss, quality measure, and words for them. Everything above sees only this.

A task fits a network by the shape of the network's outputs; `task_type` finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nadv2_tf.options.training import PLAIN
from nadv2_tf.spec.registry import Registry
from nadv2_tf.tasks.cut import USUAL

if TYPE_CHECKING:
  import dataclasses
  from collections.abc import Callable, Iterable, Mapping, Sequence

  import numpy as np

  from nadv2_tf.options import TrainOptions
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.examples import Datasets, Examples
  from nadv2_tf.tasks.sources import Source
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath, Tensor

TASKS = Registry("task")


class TaskEvaluation(Protocol):
  """What a task says of a network: a dataclass of plain values, these among them.

  Attributes:
    examples: how many counted.
    accuracy: the quality of all, in [0, 1].
    measures: {title with unit: number}, for tables.
  """

  __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

  @property
  def examples(self) -> int: ...
  @property
  def accuracy(self) -> float: ...
  @property
  def measures(self) -> Mapping[str, float]: ...


class Task(Protocol):
  """A task; made with (data, image_size, holdout, seed, train, how, whole_pictures, cache_bytes,
  cut, **settings); a task refuses what it has no use for.

  Attributes:
    name: of the task.
    quality_name: what the quality in [0, 1] is called, such as "accuracy".
    output: what a network's outputs are, for its file's metadata; "" for logits of classes.
    settings: names of the flags that this task alone takes.
    loss_options: names of the `TrainOptions` that its loss takes, and that of no other task does
      unless it names them as well.
  """

  name: ClassVar[str]
  quality_name: ClassVar[str]
  output: ClassVar[str]
  settings: ClassVar[tuple[str, ...]]
  loss_options: ClassVar[tuple[str, ...]]

  def __init__(
    self,
    data: str,
    image_size: int,
    holdout: int,
    seed: int,
    train: TrainOptions = PLAIN,
    how: str = "memory",
    whole_pictures: bool = False,
    cache_bytes: int = 0,
    cut: Cut = USUAL,
    **settings: Any,
  ) -> None: ...

  @staticmethod
  def fits(output_shape: Sequence[int]) -> bool:
    """Whether a network with outputs of this shape, without the batch, is one for the task."""

  def source(self) -> Source:
    """The `Source`: training and test examples; ValueError if the data cannot be used."""

  def datasets(self) -> Datasets:
    """`Datasets`: the hold-out cut from the training examples."""

  def outputs(self, data: Source | Datasets) -> int:
    """Outputs that a network needs for a `Source` or `Datasets`, as backbones count them."""

  def check_outputs(self, output_shape: Sequence[int], data: Source | Datasets) -> None:
    """Raises ValueError if a network with such outputs is for other data."""

  def usual_outputs(self, examples: Examples | StreamedExamples) -> tuple[float, float] | None:
    """(mean, spread) of what outputs will be like, for the start of training; None: not known."""

  def augmentation(self, kind: str, shift: int, mirror: bool = True) -> Any:
    """What `Examples.training_batches` takes; `shift` in pixels, `mirror` allows mirroring.

    Raises ValueError for a kind that the task does not have.
    """

  def loss(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """[batch], to be minimised."""

  def imitation(self, teacher: Tensor, outputs: Tensor) -> Tensor:
    """[batch], to be minimised: how far outputs are from those of another network."""

  def quality(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """[batch], in [0, 1], higher is better."""

  def same_outputs(self, targets: np.ndarray) -> np.ndarray:
    """[batch, ...]: of the networks that say the same of every image, a good one's outputs."""

  def evaluate(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> TaskEvaluation:
    """A `TaskEvaluation` of (outputs, targets) of all examples, batch by batch."""

  def describe(self, evaluation: Any, data: Source | Datasets) -> list[str]:
    """An evaluation as lines of text."""

  def draw(
    self,
    predict: Callable[[np.ndarray], np.ndarray],
    examples: Examples | StreamedExamples,
    path: AnyPath,
  ) -> None:
    """Writes a picture of predictions beside the truth, if the task has any use for one."""


def task_type(output_shape: Sequence[int]) -> type[Task]:
  """The registered task for a network with outputs of this shape, without the batch.

  Raises:
    ValueError: naming the tasks, if it is none.
  """
  for name in TASKS:
    if TASKS[name].fits(tuple(output_shape)):
      return TASKS[name]
  raise ValueError(
    f"No task has outputs of the shape {list(output_shape)}; the tasks are {', '.join(TASKS)}."
  )


def output_shape(network: NetworkSpec) -> tuple[int, ...]:
  """Shape of a `NetworkSpec`'s outputs, without the batch: (classes,) behind a head."""
  if network.blocks[-1].kind == "head":
    return network.block_outputs()[-1][-1:]
  return network.block_outputs()[-1]


def check_settings(task: type[Task], given: Mapping[str, Any]) -> None:
  """Raises ValueError if a flag of another task was given.

  Args:
    task: a registered task.
    given: {flag: value}.
  """
  for name, value in given.items():
    if name not in task.settings:
      raise ValueError(
        f"--{name}={value} is not for {task.name}, the task of this network; leave it out."
      )


def check_loss(task: type[Task], train: TrainOptions) -> None:
  """Raises ValueError if an option was given that only the losses of other tasks take."""
  for name in sorted({option for other in TASKS for option in TASKS[other].loss_options}):
    value = getattr(train, name)
    if name not in task.loss_options and value != getattr(PLAIN, name):
      raise ValueError(f"--{name} is not for the loss of {task.name}; got {value}.")
