"""A Keras model as a spec and weights, and back; and whether both are the same network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf.models import stand_alone
from nadv2_tf.reading.flatten import graph_of
from nadv2_tf.reading.parse import parse
from nadv2_tf.reading.precision import double_precision, in_precision, in_single_precision

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import Shape

#: largest difference of outputs, as a share of their spread
LARGEST_DIFFERENCE = 1e-5
#: probability, of those whose logarithms are compared
SMALLEST = 1e-30


@dataclasses.dataclass(frozen=True)
class ReadNetwork:
  """What a Keras model was read as.

  Attributes:
    spec: the whole network; its first block is `rescale` if the model has preprocessing.
    weights: {layer name in `stand_alone(spec)`: arrays in the order of the layer's set_weights};
      of float64 where they are computed from those of the model.
    output_activation: "linear", "softmax" or "sigmoid": what the model does to the logits.
    dropped: lines: what was left out, and why.
  """

  spec: NetworkSpec
  weights: Mapping[str, list[np.ndarray]]
  output_activation: str
  dropped: tuple[str, ...]


def read_network(
  model: keras.Model, name: str | None = None, input_shape: Shape | None = None
) -> ReadNetwork:
  """Reads a functional or Sequential model of images.

  Args:
    model: a `keras.Model` of Keras 3.
    name: of the network; by default the model's.
    input_shape: (height, width, channels), for models of any size, or another size than the
      model's own: its layers are then read as they are at that size.

  Raises:
    ReadError: one line that names the first layer that has no place.
  """
  parsed = parse(graph_of(model, input_shape), name or model.name)
  return ReadNetwork(parsed.spec, parsed.weights, parsed.output_activation, parsed.dropped)


def build(read: ReadNetwork) -> keras.Model:
  """The plain Keras model of what was read, with its weights: images -> logits."""
  model = stand_alone(read.spec)
  layers = {layer.name: layer for layer in model.layers if layer.weights}
  if set(layers) != set(read.weights):
    raise ValueError(f"Weights are of other layers: {sorted(set(layers) ^ set(read.weights))}.")
  for name, arrays in read.weights.items():
    layers[name].set_weights(arrays)
  return model


def check_same(model: keras.Model, read: ReadNetwork, images: np.ndarray) -> float:
  """The largest difference between the model's outputs and those of what was read.

  A model of half precision is compared in float32. Where float32 differs by more than is allowed,
  both are compared in float64: what is rounded grows from layer to layer.

  Args:
    images: [batch, height, width, channels], as the model takes them.

  Returns:
    The difference as a share of the outputs' spread, their standard deviation. Of a softmax it is
    that of the logarithms.

  Raises:
    ValueError: if it is above 1e-5, or an output is no number.
  """
  share = _difference(in_single_precision(model), read, images)
  if not share <= LARGEST_DIFFERENCE:
    with double_precision():
      double = in_precision(model, "float64")
      share = _difference(double, read, np.asarray(images, np.float64))
  if not share <= LARGEST_DIFFERENCE:
    raise ValueError(
      f"What was read of {model.name!r} gives other outputs: they differ by {share:.2g} of their "
      f"spread, {LARGEST_DIFFERENCE} is allowed."
    )
  return share


def _difference(model: keras.Model, read: ReadNetwork, images: np.ndarray) -> float:
  """The largest difference of outputs as a share of their spread."""
  expected = np.asarray(keras.ops.convert_to_numpy(model(images, training=False)))
  outputs = activated(read, keras.ops.convert_to_numpy(build(read)(images, training=False)))
  if outputs.size == 2 * expected.size and expected.shape[-1] == 1:  # one output, two classes
    outputs = _second_class(read, outputs)
  outputs = outputs.reshape(expected.shape)
  if read.output_activation == "softmax" and expected.shape[-1] > 1:
    # Probabilities near 0 or 1 say little of their logits, and differ by what those are rounded.
    expected, outputs = (np.log(np.maximum(array, SMALLEST)) for array in (expected, outputs))
  spread = float(expected.std())
  largest = float(np.abs(outputs.astype(np.float64) - expected).max())
  return largest / spread if spread else np.inf if largest else 0.0


def activated(read: ReadNetwork, logits: np.ndarray) -> np.ndarray:
  """The outputs of the model whose network was read, by its logits."""
  if read.output_activation == "linear":
    return logits
  function = keras.activations.get(read.output_activation)
  return keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(logits)))


def _second_class(read: ReadNetwork, outputs: np.ndarray) -> np.ndarray:
  outputs = outputs.reshape(-1, 2)
  return outputs[:, 1:] if read.output_activation != "linear" else outputs[:, 1:] - outputs[:, :1]
