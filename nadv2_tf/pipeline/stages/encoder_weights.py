"""Trained weights of a classifier for the first layers of a backbone (`--encoder_weights`).

A MobileNetV1 is read from a Keras file, or from a float TFLite file, whose batch norm is folded
into kernels and biases. Its layers are taken in order; each must have the shape of the backbone's.
Published MobileNetV1 files clip their activations at 6 (ReLU6), the backbones here do not: the
weights are a start, not the same function.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.models import slice_network
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.training.network_files import load_keras

if TYPE_CHECKING:
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples, Joined
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath

  AnyExamples = Examples | Joined | StreamedExamples

#: training images that the statistics of folded layers are measured on, so many at once
IMAGES, BATCH = 128, 16


@dataclasses.dataclass(frozen=True)
class TrainedLayer:
  """A convolution of a file.

  Attributes:
    name: of the layer in its file.
    kernel: [height, width, in, out], or [height, width, channels, 1] if depthwise.
    bias: folded, [out]; None where there is a norm.
    norm: (gamma, beta, mean, variance), each [out], or None where it is folded.
  """

  name: str
  kernel: np.ndarray
  bias: np.ndarray | None
  norm: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None


def load(path: AnyPath, super_model: SuperNetwork, train: AnyExamples) -> int:
  """Puts the file's weights into the super-network's first layers.

  Args:
    path: a .keras, .h5 or .tflite file.
    super_model: a super-network; changed in place.
    train: training `Examples`; they give folded layers batch-norm statistics, so that a batch
      normalised by its own statistics passes the layer much as it did before it was folded.

  Returns:
    How many layers were taken.

  Raises:
    ValueError: if the file cannot be read, or a layer other than its last, the classifier, has no
      place in the backbone.
  """
  matched = match(path, super_model.space.largest())
  for name, layer in matched:
    _set(super_model.get_layer(name), layer)
  _unfold(super_model, [name for name, layer in matched if layer.norm is None], train)
  return len(matched)


def match(path: AnyPath, network: NetworkSpec) -> list[tuple[str, TrainedLayer]]:
  """[(name of a layer of `network`, `TrainedLayer`)]; raises ValueError, see `load`."""
  layers, places = read(path), _places(network)
  matched = []
  for layer, (name, shape) in zip(layers, places, strict=False):
    if layer.kernel.shape != shape:
      break
    matched.append((name, layer))
  rest = layers[len(matched) :]
  if len(rest) > 1 or (rest and rest[0].kernel.shape[:2] != (1, 1)):
    taken = len(matched)
    wanted = list(places[taken][1]) if taken < len(places) else "no further layer"
    raise ValueError(
      f"--encoder_weights={path}: its layer {taken + 1}, {rest[0].name!r}, has a kernel of "
      f"{list(rest[0].kernel.shape)}, {network.name!r} has {wanted} there; the first layers of "
      "both must be equal (MobileNetV1 1.0)."
    )
  return matched


def _places(network: NetworkSpec) -> list[tuple[str, Any]]:
  """[(layer name, kernel shape)] of the convolutions in order."""
  places: list[tuple[str, Any]] = []
  for index, layers in enumerate(network.layers()):
    for shape in layers:
      size = (shape.kernel, shape.kernel)
      if shape.kind == "conv":
        places.append((layer_name(index, shape.field), (*size, shape.in_channels, shape.kept)))
      elif shape.kind == "depthwise":
        places.append((layer_name(index, shape.field), (*size, shape.kept, 1)))
  return places


def _set(layer: Any, trained: TrainedLayer) -> None:
  """Weights of one layer; with moving averages of 0 and 1, a folded one is what it was."""
  layer.kernel.assign(trained.kernel)
  count = layer.norm.gamma.shape[0]
  ones = np.ones(count)
  gamma, beta, mean, variance = trained.norm or (ones, trained.bias, 0 * ones, ones - EPSILON)
  layer.norm.gamma.assign(gamma)
  layer.norm.beta.assign(beta)
  layer.norm.moving_mean.assign(mean)
  layer.norm.moving_variance.assign(variance)


def _unfold(super_model: SuperNetwork, names: list[str], train: AnyExamples) -> None:
  """Gives folded layers the statistics of their outputs: the function stays what it is.

  gamma * (y - mean) / sqrt(variance + EPSILON) + beta with gamma = sqrt(variance + EPSILON) and
  beta = bias + mean is y + bias.
  """
  if not names:
    return
  plain = slice_network(super_model, super_model.space.largest())
  watched = keras.Model(plain.inputs[0], [plain.get_layer(name).output for name in names])
  sums: list[Any] = [0.0] * len(names)
  batches = 0
  for start in range(0, min(IMAGES, len(train)), BATCH):
    outputs = watched(train.take(slice(start, start + BATCH)).inputs(), training=False)
    batches += 1
    for index, output in enumerate(outputs):
      values = np.asarray(output, np.float64)
      sums[index] += np.stack([values.mean((0, 1, 2)), (values**2).mean((0, 1, 2))])
  for name, total in zip(names, sums, strict=True):
    norm = super_model.get_layer(name).norm
    mean, squares = total / batches
    variance = np.maximum(squares - mean**2, 0.0)
    norm.beta.assign(np.asarray(norm.beta) + mean)
    norm.gamma.assign(np.sqrt(variance + EPSILON))
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)


def read(path: AnyPath) -> list[TrainedLayer]:
  """The convolutions of a file in order, [`TrainedLayer`].

  Raises:
    ValueError: naming the file, if it is missing or is neither a Keras nor a TFLite model.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise ValueError(f"--encoder_weights: there is no file {path}.")
  if path.suffix == ".tflite":
    layers = _of_tflite(path)
  elif path.suffix in (".keras", ".h5"):
    layers = _of_keras(_keras_model(path))
  else:
    raise ValueError(f"--encoder_weights must be a .keras, .h5 or .tflite file, got {path}.")
  if not layers:
    raise ValueError(f"--encoder_weights={path} has no float convolutions.")
  return layers


def _of_tflite(path: pathlib.Path) -> list[TrainedLayer]:
  from nadv2_tf.export.tflite import interpreter

  made = interpreter(path, delegates=False)
  details = {tensor["index"]: tensor for tensor in made.get_tensor_details()}
  layers = []
  for operator in made._get_ops_details():
    if operator["op_name"] not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
      continue
    kernel_index, bias_index = list(operator["inputs"])[1:3]
    if details[kernel_index]["dtype"] != np.float32:
      raise ValueError(
        f"--encoder_weights={path}: the kernel {details[kernel_index]['name']!r} is of "
        f"{details[kernel_index]['dtype'].__name__}; a float32 model is needed."
      )
    kernel = made.get_tensor(kernel_index)
    # [out, height, width, in], or [1, height, width, channels] if depthwise.
    kernel = np.transpose(kernel, (1, 2, 3, 0))
    layers.append(
      TrainedLayer(details[kernel_index]["name"], kernel, made.get_tensor(bias_index), None)
    )
  return layers


def _keras_model(path: pathlib.Path) -> keras.Model:
  """The model of a .keras or whole .h5 file, or MobileNetV1 with the weights of an .h5 file."""
  try:
    if path.suffix == ".keras":
      return load_keras(path)
    return keras.saving.load_model(path, compile=False, safe_mode=True)
  except Exception as error:  # Keras raises whatever the damaged part raises
    problem = str(error).strip().splitlines()[0]
  if path.suffix == ".h5":
    for top in (False, True):
      model = keras.applications.MobileNet(weights=None, include_top=top, input_shape=(224, 224, 3))
      try:
        model.load_weights(path)
      except Exception:  # of the other kind, or of another network
        continue
      return model
  raise ValueError(
    f"--encoder_weights={path} is neither a Keras model nor weights of "
    f"keras.applications.MobileNet: {problem}"
  )


def _of_keras(model: keras.Model) -> list[TrainedLayer]:
  layers: list[TrainedLayer] = []
  for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization) and layers:
      # Bias and norm of one convolution become the norm alone.
      gamma, beta, mean, variance = _norm_weights(layer)
      last = layers.pop()
      mean = mean - last.bias
      layers.append(TrainedLayer(last.name, last.kernel, None, (gamma, beta, mean, variance)))
    elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
      kernel, *bias = layer.get_weights()
      outputs = layer.output.shape[-1]
      layers.append(TrainedLayer(layer.name, kernel, bias[0] if bias else np.zeros(outputs), None))
  return layers


def _norm_weights(layer: Any) -> Any:
  """gamma, beta, mean, variance for this package's epsilon."""
  count = layer.moving_mean.shape[0]
  gamma = np.asarray(layer.gamma) if layer.scale else np.ones(count)
  beta = np.asarray(layer.beta) if layer.center else np.zeros(count)
  variance = np.asarray(layer.moving_variance) + layer.epsilon - EPSILON
  return gamma, beta, np.asarray(layer.moving_mean), variance
