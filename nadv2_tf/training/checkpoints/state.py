"""What a training loop has done so far, as a checkpoint has it."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from keras import ops

from nadv2_tf.training.checkpoints.collapse import CollapseWatch
from nadv2_tf.training.checkpoints.file import Checkpoint, CheckpointError

if TYPE_CHECKING:
  import keras


class Diverged(Exception):
  """What was seen: the loss or a weight is not finite, or the network answers all images alike.

  Attributes:
    before: the last step of which it is known that all was well; None if nothing is.
  """

  def __init__(self, message: str, before: int | None = None) -> None:
    super().__init__(message)
    self.before = before


class Kept(Protocol):
  """What is trained beside a model, as JSON values that hold all of it."""

  def to_json(self) -> dict[str, Any]: ...
  def from_json(self, value: Any) -> None: ...


@dataclasses.dataclass(frozen=True)
class StepReport:
  """Progress of a training; loss and accuracy are means over the steps since the last report."""

  step: int
  steps: int
  images: int
  loss: float
  accuracy: float


class TrainingState:
  """Step, reports and setbacks of one training.

  Args:
    steps: of the whole training.
    batch_size: images of a step.
    window: steps that the `CollapseWatch` compares.
    also: what is trained beside the model; None if nothing is.
  """

  def __init__(self, steps: int, batch_size: int, window: int, also: Kept | None = None) -> None:
    self.steps = steps
    self._also = also
    self.step = 0
    self.reports: list[StepReport] = []
    #: what was seen each time the training went back to a checkpoint
    self.setbacks: list[str] = []
    self._batch_size, self.window = batch_size, window
    self._watch = CollapseWatch(window)
    self._sums = np.zeros(3)
    self._seconds = 0.0
    self._start = time.monotonic()
    #: of `seconds` those of the processes before this one
    self.seconds_before = 0.0

  @property
  def seconds(self) -> float:
    """Since the training began, in all processes; what a kill cost is left out."""
    return self._seconds + time.monotonic() - self._start

  def add(self, loss: float, quality: float) -> bool:
    """Counts one step.

    Returns:
      Whether the network should be looked at for a collapse.

    Raises:
      Diverged: if the loss is not finite.
    """
    self.step += 1
    if not math.isfinite(loss):
      raise Diverged(f"the loss became {loss} at {self.place}")
    self._sums += (loss, quality, 1)
    return self._watch.is_suspicious(quality)

  @property
  def place(self) -> str:
    return f"step {self.step} of {self.steps}"

  def report(self) -> StepReport:
    """A new `StepReport` over the steps since the last."""
    images = self.step * self._batch_size
    means = (float(value) for value in self._sums[:2] / self._sums[2])
    self.reports.append(StepReport(self.step, self.steps, images, *means))
    self._sums[:] = 0
    return self.reports[-1]

  def checkpoint(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Checkpoint:
    """A `Checkpoint` of this moment.

    Raises:
      Diverged: if a variable is not finite: nobody wants to go back to that.
    """
    arrays = {
      name: np.array(ops.convert_to_numpy(variable))
      for name, variable in _variables(model, optimizer).items()
    }
    for name, array in arrays.items():
      if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Diverged(f"the variable {name} was not finite after {self.place}")
    state = {
      "steps": self.steps,
      "reports": [list(dataclasses.astuple(report)) for report in self.reports],
      "setbacks": list(self.setbacks),
      "sums": self._sums.tolist(),
      "watch": self._watch.to_json(),
      "seconds": self.seconds,
    }
    if self._also:
      state["also"] = self._also.to_json()
    return Checkpoint(self.step, arrays, state)

  def go_on(self, checkpoint: Checkpoint) -> None:
    """`read` of what another process saved."""
    self.read(checkpoint)
    self.seconds_before = self.seconds

  def read(self, checkpoint: Checkpoint) -> None:
    """Takes over all but the variables.

    Raises:
      CheckpointError: if it is of a training of other length, or was not made by a loop.
    """
    try:
      state = checkpoint.state
      if state["steps"] != self.steps or not 0 <= checkpoint.step <= self.steps:
        raise CheckpointError(
          f"The checkpoint {checkpoint.source} is of a training of {state['steps']} steps, this "
          f"one has {self.steps}."
        )
      self.reports = [StepReport(*report) for report in state["reports"]]
      self.setbacks = [str(text) for text in state["setbacks"]]
      self._sums = np.array(state["sums"], np.float64).reshape(3)
      self._watch.from_json(state["watch"])
      self._seconds, self._start = float(state["seconds"]), time.monotonic()
      if self._also:
        self._also.from_json(state["also"])
    except (KeyError, TypeError, AttributeError) as error:
      raise CheckpointError(
        f"The checkpoint {checkpoint.source} lacks a part of the loop's state: {error}."
      ) from None
    self.step = checkpoint.step


def restore_variables(
  checkpoint: Checkpoint, model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> None:
  """Gives model and optimizer the values of a checkpoint.

  Raises:
    CheckpointError: before anything is changed, if it is of another network or optimizer.
  """
  variables = _variables(model, optimizer)
  mine = {name: (tuple(v.shape), str(v.dtype)) for name, v in variables.items()}
  saved = {name: (array.shape, array.dtype.name) for name, array in checkpoint.arrays.items()}
  for name in [*mine, *saved]:
    if mine.get(name) != saved.get(name):
      raise CheckpointError(
        f"The checkpoint {checkpoint.source} is of another network or optimizer: for the "
        f"variable {name} it has {_described(saved.get(name))}, this training "
        f"{_described(mine.get(name))}."
      )
  for name, variable in variables.items():
    variable.assign(checkpoint.arrays[name])


def _described(found: tuple[tuple[int, ...], str] | None) -> str:
  return "nothing" if found is None else f"{found[1]} {list(found[0])}"


def _variables(
  model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> dict[str, keras.Variable]:
  """{name: variable}, the seeds of dropout and the optimizer's moving averages among them.

  Numbers and not paths: Keras gives a second optimizer of one process another name.
  """
  named = {f"model/{number}/{v.name}": v for number, v in enumerate(model.variables)}
  return named | {f"optimizer/{number}": v for number, v in enumerate(optimizer.variables)}
