"""A network's file as commands run it on data: one image in, one output out, of the data's kind."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf import export, reading
from nadv2_tf.export import metadata
from nadv2_tf.options.network import INPUT_RANGES
from nadv2_tf.pipeline.stages.given import source
from nadv2_tf.pipeline.stages.given.form import ADAPTED, FED, Form
from nadv2_tf.pipeline.stages.given.network import kept_range
from nadv2_tf.pipeline.stages.trained_weights import OWN_NAME
from nadv2_tf.training.image_network import check_size, of_one_image
from nadv2_tf.training.scoring.evaluation import keras_predictor

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable

  import keras

  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.sources import Source
  from nadv2_tf.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class FileNetwork:
  """A network of one image.

  Attributes:
    name: in messages.
    predict: function from images, float32 [batch, height, width, channels] in the network's own
      range, to outputs.
    image_shape: (height, width, channels).
    form: what it takes for black and white.
    why: how that is known, for the user.
    model: the Keras network, a `keras.Model`; None of a .tflite file.
  """

  name: str
  predict: Callable[[np.ndarray], np.ndarray]
  image_shape: tuple[int, int, int]
  form: Form
  why: str
  model: Any = None

  @property
  def line(self) -> str:
    """What it takes, for the user."""
    return f"network: it takes pixels as {self.form.low:g}..{self.form.high:g}: {self.why}"

  def fed(self, images: np.ndarray) -> np.ndarray:
    """Outputs for images from -1 to 1."""
    return self.predict(self.form.inputs(images))

  def output_shape(self) -> tuple[int, ...]:
    """Of one image."""
    return np.asarray(self.predict(np.zeros((1, *self.image_shape), np.float32))).shape[1:]

  def size(self) -> int:
    """Height and width; ValueError if they are not the same."""
    height, width, _ = self.image_shape
    if height != width:
      raise ValueError(f"{self.name} takes {height}x{width} images; only squares can be read.")
    return height

  def check_data(self, task: Task, data: Source | Datasets, named: str) -> None:
    """Raises ValueError if it is for images or outputs of another kind than a source's.

    Args:
      task: of the network.
      data: the source.
      named: what names it in messages, such as "--data=folder:photos".
    """
    channels, there = self.image_shape[-1], data.test.image_shape[-1]
    if there != channels:
      raise ValueError(f"{self.name} takes images of {channels} channel(s), {named} has {there}.")
    task.check_outputs(self.output_shape(), data)


def of_tflite(
  path: pathlib.Path, name: str, image_size: int | None = None, input_range: str = "auto"
) -> FileNetwork:
  """The network of a .tflite file.

  Args:
    path: of the file.
    name: in messages.
    image_size: for a file of images of any size; see `check_size`.
    input_range: of --input_range.

  Raises:
    ValueError: in one line, if it cannot be run on images.
  """
  try:
    made = export.interpreter(path, image_size=image_size)
  except export.AnySize:
    raise ValueError(f"{name} takes images of any size; give --image_size.") from None
  except ValueError as error:
    raise ValueError(f"{name}: {error}") from None
  export.check_one_image(made, name)
  details = made.get_input_details()[0]
  own = [int(size) for size in details["shape"][1:]]
  height, width = check_size(own[:2], name, image_size)
  said, why = INPUT_RANGES.get(input_range), "as --input_range says"
  if said is None:
    try:
      said = metadata.input_range(path.read_bytes(), details)
    except ValueError as error:
      raise ValueError(f"{name}: {error}; --input_range would overrule it.") from None
    why = "as the file says, or else what is usual; another range: --input_range"
  predict = export.predictor(path, image_size=image_size)
  return FileNetwork(name, predict, (height, width, own[2]), Form(*said), why)


def of_keras(
  model: keras.Model,
  name: str,
  path: pathlib.Path | None = None,
  image_size: int | None = None,
  input_range: str = "auto",
) -> FileNetwork:
  """A Keras network.

  Args:
    model: as it was loaded.
    name: in messages.
    path: the file that it came from; None: this package made it just now.
    image_size: for a network of images of any size; see `check_size`.
    input_range: of --input_range.

  Raises:
    ValueError: in one line, if it cannot be run on images.
  """
  model = of_one_image(model, name, image_size)
  said, why = INPUT_RANGES.get(input_range), "as --input_range says"
  if said is None:
    said, why = _range_of(model, path)
  elif "int" in str(model.inputs[0].dtype) and said != INPUT_RANGES["0..255"]:
    raise ValueError(f"{name} takes integers, which --input_range={input_range} is not for.")
  return FileNetwork(
    name, keras_predictor(model), tuple(model.inputs[0].shape[1:]), Form(*said), why, model
  )


def _range_of(model: keras.Model, path: pathlib.Path | None) -> tuple[tuple[float, float], str]:
  """((what black is, what white is), why)."""
  if any(layer.name.startswith(OWN_NAME) for layer in model.layers):
    if path is None or path.stem != ADAPTED:
      return FED, "as networks of this package do"
    own = kept_range(path.parent) or kept_range(path.parent.parent)
    if own:
      return own, "as the network that its run began with"
  try:
    found = reading.read_network(model)
  except reading.ReadError:
    found = None
  return source.own_range(model, found)
