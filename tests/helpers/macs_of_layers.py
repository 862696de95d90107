"""Multiply-accumulates of a Keras model, counted while its own layers run."""

import functools

import keras
import numpy as np

layers = keras.layers


def _macs(layer, features, out):
  positions = int(np.prod(out.shape[1:-1]))
  if type(layer) is layers.Conv2D:
    return positions * int(np.prod(layer.kernel.shape))
  if type(layer) is layers.DepthwiseConv2D:
    return positions * int(np.prod(layer.kernel.shape))
  if type(layer) is layers.SeparableConv2D:
    kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
    return positions * sum(int(np.prod(kernel.shape)) for kernel in kernels)
  if type(layer) is layers.Dense:
    return positions * int(np.prod(layer.kernel.shape))
  return 0


def macs_of_layers(model, input_shape):
  """MACs of one image of `input_shape`."""
  counted = []

  def watched(layer, call, features, *args, **kwargs):
    out = call(features, *args, **kwargs)
    counted.append(_macs(layer, features, out))
    return out

  filtering = [
    layer
    for layer in model._flatten_layers()
    if type(layer) in (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)
  ]
  for layer in filtering:
    object.__setattr__(layer, "call", functools.partial(watched, layer, layer.call))
  try:
    model(np.zeros((1, *input_shape), "float32"), training=False)
  finally:
    for layer in filtering:
      object.__delattr__(layer, "call")
  return sum(counted)
