"""Cuts a sub-network's weights out of a trained super-network, and puts the largest one's in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from nadv2_tf.models.parts import classifier, convolution, depthwise, norm, squeeze_excite
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.models.stand_alone import stand_alone

if TYPE_CHECKING:
  from collections.abc import Iterable
  from typing import Any

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape


def _set_filtered(
  part: Any, model: keras.Model, super_layer: Any, shape: LayerShape, name: str
) -> None:
  kernel_and_bias, own_norm = part.sliced_weights(super_layer, shape)
  model.get_layer(name).set_weights(kernel_and_bias)
  if own_norm is not None:
    model.get_layer(f"{name}_norm").set_weights(own_norm)


def _set_convolution(model: keras.Model, super_layer: Any, shape: LayerShape, name: str) -> None:
  _set_filtered(convolution, model, super_layer, shape, name)


def _set_depthwise(model: keras.Model, super_layer: Any, shape: LayerShape, name: str) -> None:
  _set_filtered(depthwise, model, super_layer, shape, name)


def _set_squeeze_excite(model: keras.Model, super_layer: Any, shape: LayerShape, name: str) -> None:
  for suffix, arrays in squeeze_excite.sliced_weights(super_layer, shape).items():
    model.get_layer(f"{name}_{suffix}").set_weights(arrays)


def _set_classifier(model: keras.Model, super_layer: Any, shape: LayerShape, name: str) -> None:
  model.get_layer(name).set_weights(classifier.sliced_weights(super_layer, shape))


def _set_norm(model: keras.Model, super_layer: Any, shape: LayerShape, name: str) -> None:
  model.get_layer(name).set_weights(norm.sliced_weights(super_layer, shape))


#: kind of layer -> (field in its name if the shape has none, how its weights are set)
SETTERS = {
  "conv": ("", _set_convolution),
  "depthwise": ("", _set_depthwise),
  "squeeze_excite": ("squeeze", _set_squeeze_excite),
  "classifier": ("classes", _set_classifier),
  "norm": ("norm", _set_norm),
}


def slice_network(super_model: SuperNetwork, spec: NetworkSpec) -> keras.Model:
  """The sub-network `spec` of a super-network as a plain Keras model with its weights.

  Args:
    super_model: a model that `super_network` made.
    spec: a sub-network of its search space; widths off the grid are fine.

  Returns:
    What `stand_alone(spec)` returns, with the first M filters and the centre k x k taps of the
    shared weights. Moving averages are those of the super-network: recalibrate or fine-tune
    before use, because a mixture's statistics are not the sub-network's own.

  Raises:
    ValueError: if `spec` has a layer that the super-network lacks, or a wider one.
  """
  model = stand_alone(spec)
  set_sliced_weights(super_model, model, spec)
  return model


def set_sliced_weights(super_model: SuperNetwork, model: keras.Model, spec: NetworkSpec) -> None:
  """Gives `model`, what `stand_alone(spec)` returns, the weights that `slice_network` gives it."""
  for index, layers in enumerate(spec.layers()):
    for shape in layers:
      if shape.kept == 0 and shape.kind in ("conv", "depthwise"):
        continue
      if shape.kind in SETTERS:
        field, set_weights = SETTERS[shape.kind]
        name = layer_name(index, shape.field or field)
        try:
          set_weights(model, super_model.get_layer(name), shape, name)
        except ValueError as error:
          raise ValueError(
            f"{spec.name!r} is not a sub-network of {super_model.name!r} at layer {name}: {error}"
          ) from None


def fill_super_network(super_model: SuperNetwork, model: keras.Model) -> None:
  """Gives a super-network the weights of a plain model of its largest network, statistics too.

  The inverse of `slice_network(super_model, super_model.space.largest())`.

  Args:
    super_model: a model that `super_network` made; changed in place.
    model: what `stand_alone` or `slice_network` made of the largest network, trained since.
  """
  for index, layers in enumerate(super_model.space.largest().layers()):
    for shape in layers:
      if shape.kind not in SETTERS:
        continue
      name = layer_name(index, shape.field or SETTERS[shape.kind][0])
      for variable, array in _pairs(super_model.get_layer(name), shape.kind, model, name):
        variable.assign(ops.reshape(array, variable.shape))


def _pairs(layer: Any, kind: str, model: keras.Model, name: str) -> Iterable[tuple[Any, Any]]:
  """[(variable of the super-network's layer, array of the plain model)]."""
  if kind == "squeeze_excite":
    parts = {squeeze_excite.REDUCE: layer.reduce, squeeze_excite.EXPAND: layer.expand}
    return [
      pair
      for suffix, part in parts.items()
      for pair in zip(part.weights, model.get_layer(f"{name}_{suffix}").get_weights(), strict=True)
    ]
  arrays = model.get_layer(name).get_weights()
  if kind == "classifier":
    return zip((layer.kernel, layer.bias), arrays, strict=True)
  if kind == "norm":
    return zip(_norm_variables(layer), arrays, strict=True)
  if layer.norm is None:
    return zip((layer.kernel, layer.bias), arrays, strict=True)
  variables = [layer.kernel, *_norm_variables(layer)]
  return zip(variables, arrays + model.get_layer(f"{name}_norm").get_weights(), strict=True)


def _norm_variables(layer: Any) -> list[Any]:
  own = layer.norm
  return [own.gamma, own.beta, own.moving_mean, own.moving_variance]
