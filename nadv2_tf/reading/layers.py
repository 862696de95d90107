"""What the layers of Keras are in the graph: one line of `LAYERS` for each that has a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from nadv2_tf.reading import activations, graph, windows
from nadv2_tf.reading.graph import Node, UnplacedError

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeAlias

  #: (layer, nodes that go in, how it is called) -> node
  Placer: TypeAlias = Callable[[Any, list[Node], str], Node]

#: what does nothing outside of training, by class
AUGMENTATION = tuple(
  getattr(layers, name)
  for name in (
    *("RandomBrightness", "RandomColorDegeneration", "RandomColorJitter", "RandomContrast"),
    *("RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur"),
    *("RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization"),
    *("RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation"),
    *("RandomZoom", "AugMix", "CutMix", "MixUp", "RandAugment"),
  )
  if hasattr(layers, name)
)
NOISE = (
  *(layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout),
  *(layers.GaussianDropout, layers.GaussianNoise, layers.ActivityRegularization),
)
WAYS_OUT = {
  "Lambda": "a Lambda is code, which neither is read nor stays in a file that is only data; write "
  "it with keras.ops, or with layers of Keras",
  "TFSMLayer": "a SavedModel has no layers to read; load it with the Keras that wrote it and save "
  "it as a .h5 file",
  "Concatenate": "branches are understood where they are added",
  "Conv2DTranspose": "nearest UpSampling2D and a convolution would be understood",
  "LayerNormalization": "BatchNormalization would be understood",
  "GroupNormalization": "BatchNormalization would be understood",
}


def place(layer: Any, inputs: list[Node], label: str) -> Node:
  """The node of a layer.

  Raises:
    UnplacedError: if it has no place.
  """
  kind = type(layer)
  name = kind.__name__
  if getattr(layer, "data_format", None) == "channels_first":
    raise UnplacedError("its data_format is channels_first; channels_last would be understood")
  if getattr(layer, "quantization_mode", None) is not None:
    raise UnplacedError("it is quantized; the float layer would be understood")
  if kind in LAYERS:
    return LAYERS[kind](layer, inputs, label)
  if name in WAYS_OUT and kind.__module__.startswith("keras."):
    raise UnplacedError(WAYS_OUT[name])
  if not kind.__module__.startswith("keras."):
    raise UnplacedError(
      f"{name} is not a layer of Keras, and what it computes cannot be read; Keras's own layers "
      "and keras.ops would be understood"
    )
  raise UnplacedError(
    "convolutions, batch norm, activations, pools, additions and Dense layers would be understood"
  )


def array(variable: Any) -> np.ndarray:
  return np.asarray(keras.ops.convert_to_numpy(variable))


def _one(inputs: list[Node]) -> Node:
  if len(inputs) != 1:
    raise UnplacedError(f"it has {len(inputs)} inputs; one would be understood")
  return inputs[0]


def _check_dilation(layer: Any) -> None:
  windows.square("dilation_rate", layer.dilation_rate, (1,))


def _activated(layer: Any, node: Node, label: str) -> Node:
  return graph.activation(node, activations.name_of(layer.activation), label)


def _bias(layer: Any) -> np.ndarray | None:
  return array(layer.bias) if layer.use_bias else None


def _filtered(kind: str, weight: str) -> Placer:
  def placed(layer: Any, inputs: list[Node], label: str) -> Node:
    _check_dilation(layer)
    stride = windows.square("strides", layer.strides, (1, 2))
    windows.square("kernel_size", layer.kernel_size)
    if kind == "conv" and layer.groups != 1:
      raise UnplacedError(f"its groups are {layer.groups}; 1 would be understood")
    if kind == "depthwise" and layer.depth_multiplier != 1:
      raise UnplacedError(
        f"its depth_multiplier is {layer.depth_multiplier}; 1 would be understood"
      )
    kernel = array(getattr(layer, weight))
    node = windows.filtered(kind, _one(inputs), kernel, _bias(layer), stride, layer.padding, label)
    return _activated(layer, node, label)

  return placed


def _separable(layer: Any, inputs: list[Node], label: str) -> Node:
  _check_dilation(layer)
  if layer.depth_multiplier != 1:
    raise UnplacedError(f"its depth_multiplier is {layer.depth_multiplier}; 1 would be understood")
  stride = windows.square("strides", layer.strides, (1, 2))
  windows.square("kernel_size", layer.kernel_size)
  kernel = array(layer.depthwise_kernel)
  x = windows.filtered("depthwise", _one(inputs), kernel, None, stride, layer.padding, label)
  kernel = array(layer.pointwise_kernel)
  x = windows.filtered("conv", x, kernel, _bias(layer), 1, "valid", label)
  return _activated(layer, x, label)


def _dense(layer: Any, inputs: list[Node], label: str) -> Node:
  node = windows.dense(_one(inputs), array(layer.kernel), _bias(layer), label)
  return _activated(layer, node, label)


def _norm(layer: Any, inputs: list[Node], label: str) -> Node:
  x = _one(inputs)
  # [batch, n] has the shape (1, 1, n) here; its channels are axis 1 as well as -1.
  if layer.axis not in (-1, [-1], 3, [3]) and x.shape[:2] != (1, 1):
    raise UnplacedError(f"its axis is {layer.axis}; the last axis would be understood")
  if x.kind in ("flatten", "zeros"):
    raise UnplacedError(f"it follows {x.label}; a convolution or Dense there would be understood")
  mean = array(layer.moving_mean)
  values = {
    "gamma": array(layer.gamma) if layer.scale else np.ones_like(mean),
    "beta": array(layer.beta) if layer.center else np.zeros_like(mean),
    "mean": mean,
    "variance": array(layer.moving_variance),
    "epsilon": float(layer.epsilon),
  }
  return Node("norm", (x,), x.shape, label, values)


def _activation(layer: Any, inputs: list[Node], label: str) -> Node:
  return graph.activation(_one(inputs), activations.name_of_layer(layer), label)


def _pool(form: str) -> Placer:
  def placed(layer: Any, inputs: list[Node], label: str) -> Node:
    size = windows.square("pool_size", layer.pool_size)
    stride = windows.square("strides", layer.strides)
    return windows.pool(_one(inputs), form, size, stride, layer.padding, label)

  return placed


def _global_pool(layer: Any, inputs: list[Node], label: str) -> Node:
  x = _one(inputs)
  return Node("global_pool", (x,), (1, 1, x.shape[2]), label)


def _global_max_pool(layer: Any, inputs: list[Node], label: str) -> Node:
  x = _one(inputs)
  if x.shape[0] != x.shape[1]:
    raise UnplacedError("its input is not square; GlobalAveragePooling2D would be understood")
  return windows.pool(x, "max", x.shape[0], x.shape[0], "valid", label)


def _zeros(layer: Any, inputs: list[Node], label: str) -> Node:
  height, width = (tuple(pair) for pair in layer.padding)
  return graph.zeros(_one(inputs), (height, width), label)


def _rescaling(layer: Any, inputs: list[Node], label: str) -> Node:
  return graph.affine(_one(inputs), layer.scale, layer.offset, label)


def _normalization(layer: Any, inputs: list[Node], label: str) -> Node:
  if layer.mean is None:
    raise UnplacedError("it was not adapted to images; call its adapt")
  # Numbers that were given are those of any precision; those that were adapted have the layer's.
  given = layer.input_mean is not None
  mean = np.asarray(layer.input_mean) if given else array(layer.mean)
  variance = np.asarray(layer.input_variance) if given else array(layer.variance)
  deviation = np.maximum(np.sqrt(variance.astype(np.float64)), keras.config.epsilon())
  scale, offset = (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)
  return graph.affine(_one(inputs), scale, offset, label)


def _reshape(layer: Any, inputs: list[Node], label: str) -> Node:
  return reshaped(_one(inputs), tuple(layer.target_shape), label)


def reshaped(x: Node, target: tuple[int, ...], label: str) -> Node:
  """`x` in another shape, without the batch."""
  height, width, depth = x.shape
  if len(target) == 1:
    return graph.flatten(x, label)
  wanted = tuple(
    side if given == -1 else given for side, given in zip(x.shape, target, strict=False)
  )
  if len(target) == 3 and wanted == x.shape:
    return x
  raise UnplacedError(
    f"it makes {target} of {height}x{width}x{depth}; Flatten would be understood, and 1x1 pixels"
  )


def _upsampling(layer: Any, inputs: list[Node], label: str) -> Node:
  factor = windows.square("size", layer.size)
  return upsampled(_one(inputs), factor, layer.interpolation, label)


def _resizing(layer: Any, inputs: list[Node], label: str) -> Node:
  return resized(_one(inputs), (layer.height, layer.width), layer, label)


def resized(x: Node, size: tuple[int, int], how: Any, label: str) -> Node:
  """Images of another size; `how` is the layer or operator, for its interpolation and aspect."""
  height, width, _ = x.shape
  if size == (height, width):
    return x
  factor = size[0] // height
  plain = not (how.crop_to_aspect_ratio or getattr(how, "pad_to_aspect_ratio", False))
  if plain and factor > 1 and size == (factor * height, factor * width):
    return upsampled(x, factor, how.interpolation, label)
  raise UnplacedError(
    f"it makes {size[0]}x{size[1]} of {height}x{width}; images of that size without it, or a "
    "nearest upsampling by 2 to 8, would be understood"
  )


def upsampled(x: Node, factor: int, interpolation: str, label: str) -> Node:
  if interpolation != "nearest" or not 2 <= factor <= 8:
    raise UnplacedError(
      f"it is a {interpolation} upsampling by {factor}; a nearest one by 2 to 8 would be understood"
    )
  height, width, depth = x.shape
  shape = (height * factor, width * factor, depth)
  return Node("upsample", (x,), shape, label, {"factor": factor})


def _same_size(layer: Any, inputs: list[Node], label: str) -> Node:
  x = _one(inputs)
  if (layer.height, layer.width) != x.shape[:2]:
    raise UnplacedError("it crops; images of the size that comes out would be understood")
  return x


def _add(layer: Any, inputs: list[Node], label: str) -> Node:
  return graph.add(inputs, label)


def _multiply(layer: Any, inputs: list[Node], label: str) -> Node:
  if len(inputs) != 2:
    raise UnplacedError(f"it has {len(inputs)} inputs; two would be understood")
  return graph.multiply(inputs[0], inputs[1], label)


LAYERS: dict[type, Placer] = {
  layers.Conv2D: _filtered("conv", "kernel"),
  layers.DepthwiseConv2D: _filtered("depthwise", "kernel"),
  layers.SeparableConv2D: _separable,
  layers.Dense: _dense,
  layers.BatchNormalization: _norm,
  layers.Activation: _activation,
  layers.ReLU: _activation,
  layers.Softmax: _activation,
  layers.MaxPooling2D: _pool("max"),
  layers.AveragePooling2D: _pool("average"),
  layers.GlobalAveragePooling2D: _global_pool,
  layers.GlobalMaxPooling2D: _global_max_pool,
  layers.ZeroPadding2D: _zeros,
  layers.Flatten: lambda layer, inputs, label: graph.flatten(_one(inputs), label),
  layers.Reshape: _reshape,
  layers.Identity: lambda layer, inputs, label: _one(inputs),
  layers.Rescaling: _rescaling,
  layers.Normalization: _normalization,
  layers.UpSampling2D: _upsampling,
  layers.Resizing: _resizing,
  layers.CenterCrop: _same_size,
  layers.RandomCrop: _same_size,
  layers.Add: _add,
  layers.Multiply: _multiply,
}
