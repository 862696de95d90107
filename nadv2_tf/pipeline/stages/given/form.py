"""A found network in the form of the model that the user gave: its images, its outputs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf import reading
from nadv2_tf.reading import ReadNetwork
from nadv2_tf.tasks.classification import Classification

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator

  from nadv2_tf.pipeline.stages.given.network import GivenNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.task import Task

#: what a run feeds: (black, white)
FED = (-1.0, 1.0)
#: of the file in a run's folder that holds such a network
ADAPTED = "adapted"
#: what models make of logits; "one" are those of a single output, the second of two classes
ENDINGS = ("linear", "softmax", "sigmoid", "one linear", "one sigmoid")


@dataclasses.dataclass(frozen=True)
class Form:
  """What a network takes for black and white, and what it makes of logits, one of `ENDINGS`."""

  low: float = FED[0]
  high: float = FED[1]
  ending: str = "linear"

  @property
  def is_fed(self) -> bool:
    """Whether it takes what a run feeds."""
    return (self.low, self.high) == FED

  def inputs(self, images: np.ndarray) -> np.ndarray:
    """Images from -1 to 1 as a network of this form takes them."""
    if self.is_fed:
      return images
    share = (images.astype(np.float64) - FED[0]) / (FED[1] - FED[0])
    return (self.low + share * (self.high - self.low)).astype(np.float32)

  def predictor(self, predict: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Function of images from -1 to 1 -> outputs, of one of images of this form."""
    return predict if self.is_fed else lambda images: predict(self.inputs(images))

  def examples(self, examples: Any) -> Any:
    """Training examples whose inputs are of this form."""
    return examples if self.is_fed or examples is None else _Examples(examples, self)

  def network(self, model: keras.Model, spec: NetworkSpec) -> tuple[keras.Model, NetworkSpec]:
    """A plain network of images from -1 to 1 as one of images of this form; it gives logits."""
    if self.is_fed:
      return model, spec
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    # x -> (x - low) / (high - low) * 2 - 1 is what `with_input_range` does with these ends.
    low = (FED[0] - self.low) * 2 / (self.high - self.low) - 1
    high = (FED[1] - self.low) * 2 / (self.high - self.low) - 1
    read = reading.with_input_range(ReadNetwork(spec, weights, "linear", ()), low, high)
    return reading.build(read), read.spec

  def whole(self, model: keras.Model, spec: NetworkSpec) -> keras.Model:
    """`network`, ending as the user's model ends."""
    own, _ = self.network(model, spec)
    outputs, is_one = own.outputs[0], self.ending.startswith("one ")
    if is_one:
      outputs = outputs[:, 1:] - outputs[:, :1]
    activation = self.ending.removeprefix("one ")
    if activation != "linear":
      outputs = keras.layers.Activation(activation, name="outputs")(outputs)
    return keras.Model(own.inputs[0], outputs, name=own.name)


def ending_of(model: keras.Model, read: ReadNetwork, is_new_classifier: bool) -> str:
  """What of `ENDINGS` a user's model has; with a new classifier, whose classes exclude others."""
  activation = read.output_activation
  if is_new_classifier:
    return "linear" if activation == "linear" else "softmax"
  is_one = model.outputs[0].shape[-1] == 1 and getattr(read.spec.blocks[-1], "classes", 0) == 2
  if is_one:
    return "one linear" if activation == "linear" else "one sigmoid"
  return activation


def task_of(task: Task, given: GivenNetwork) -> Task:
  """`task` with the loss that a given network's outputs are for."""
  if given.ending == "sigmoid" and isinstance(task, Classification):
    return task.with_sigmoids()
  return task


def form_of(given: GivenNetwork | None) -> Form:
  """The form of the networks that a run hands back."""
  return Form(*given.input_range, given.ending) if given else Form()


class _Examples:
  """Training images as an export takes them, in a form of their own."""

  def __init__(self, examples: Any, form: Form) -> None:
    self._examples = examples
    self._form = form

  def __len__(self) -> int:
    return len(self._examples)

  def take(self, indices: Any) -> _Examples:
    return _Examples(self._examples.take(indices), self._form)

  def inputs(self) -> np.ndarray:
    return self._form.inputs(self._examples.inputs())

  def training_batches(self, *args: Any, **kwargs: Any) -> Iterator[tuple[np.ndarray, Any]]:
    for images, labels in self._examples.training_batches(*args, **kwargs):
      yield self._form.inputs(images), labels
