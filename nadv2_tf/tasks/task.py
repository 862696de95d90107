"""What a task is: data, loss, quality measure, and words for them. Everything above sees only this.

A task fits a network by the shape of the network's outputs; `task_type` finds it.
"""

from typing import Any, ClassVar, Protocol

from nadv2_tf.spec.registry import Registry

TASKS = Registry("task")


class Task(Protocol):
  """A task; made with (data, image_size, holdout, seed, label_smoothing, how, whole_pictures,
  cache_bytes, **settings); a task refuses what it has no use for.

  Attributes:
    name: of the task.
    quality_name: what the quality in [0, 1] is called, such as "accuracy".
    output: what a network's outputs are, for its file's metadata; "" for logits of classes.
    settings: names of the flags that this task alone takes.
  """

  name: ClassVar[str]
  quality_name: ClassVar[str]
  output: ClassVar[str]
  settings: ClassVar[tuple[str, ...]]

  @staticmethod
  def fits(output_shape) -> bool:
    """Whether a network with outputs of this shape, without the batch, is one for the task."""

  def source(self) -> Any:
    """The `Source`: training and test examples; ValueError if the data cannot be used."""

  def datasets(self) -> Any:
    """`Datasets`: the hold-out cut from the training examples."""

  def outputs(self, data) -> int:
    """Outputs that a network needs for a `Source` or `Datasets`, as backbones count them."""

  def check_outputs(self, output_shape, data) -> None:
    """Raises ValueError if a network with such outputs is for other data."""

  def usual_outputs(self, examples) -> tuple[float, float] | None:
    """(mean, spread) of what outputs will be like, for the start of training; None: not known."""

  def augmentation(self, kind, shift, mirror=True) -> Any:
    """What `Examples.training_batches` takes; `shift` in pixels, `mirror` allows mirroring.

    Raises ValueError for a kind that the task does not have.
    """

  def loss(self, targets, outputs) -> Any:
    """[batch], to be minimised."""

  def imitation(self, teacher, outputs) -> Any:
    """[batch], to be minimised: how far outputs are from those of another network."""

  def quality(self, targets, outputs) -> Any:
    """[batch], in [0, 1], higher is better."""

  def evaluate(self, batches) -> Any:
    """An evaluation of (outputs, targets) of all examples, batch by batch.

    It has `examples`, `accuracy` (the quality of all), and `measures`, {title with unit: number},
    for tables; it is a dataclass of plain values.
    """

  def describe(self, evaluation, data) -> list[str]:
    """An evaluation as lines of text."""

  def draw(self, predict, examples, path) -> None:
    """Writes a picture of predictions beside the truth, if the task has any use for one."""


def task_type(output_shape):
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


def output_shape(network):
  """Shape of a `NetworkSpec`'s outputs, without the batch: (classes,) behind a head."""
  if network.blocks[-1].kind == "head":
    return network.block_outputs()[-1][-1:]
  return network.block_outputs()[-1]


def check_settings(task, given):
  """Raises ValueError if a flag of another task was given.

  Args:
    task: a registered task.
    given: {flag: value}.
  """
  for name in given:
    if name not in task.settings:
      raise ValueError(f"--{name} is not for {task.name}, the task of this backbone.")
