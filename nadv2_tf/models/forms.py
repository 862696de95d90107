"""A plain network in another form that computes the same: filters in place of bypasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.layers.batch_norm import EPSILON
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.models.stand_alone import stand_alone
from nadv2_tf.models.transfer import copy_overlap
from nadv2_tf.spec import channels, forms

if TYPE_CHECKING:
  import keras

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape


def with_filters(model: keras.Model, spec: NetworkSpec, form: NetworkSpec) -> keras.Model:
  """The network `form` with the weights of `spec`; it gives the same outputs.

  Args:
    model: plain Keras model of `spec`.
    spec: a `NetworkSpec`.
    form: the same network with a filter for each channel that goes around some layers, or with
      filters that give zeros, see `spec/forms.py`.

  Raises:
    ValueError: naming the layer, if such a filter of it would change what it computes.
  """
  if form == spec:
    return model
  made = stand_alone(form)
  copy_overlap(model, made)
  for index, (own, others) in enumerate(zip(spec.layers(), form.layers(), strict=True)):
    for place, (layer, other) in enumerate(zip(own, others, strict=True)):
      if layer.field and layer.kept != other.kept:
        following = own[place + 1] if place + 1 < len(own) else None
        if not forms.is_form(other, layer, following):
          raise ValueError(
            f"{layer_name(index, layer.field)} of {spec.name!r} with {layer.kept} filters is "
            f"another network than with {other.kept}."
          )
        _let_through(made, layer_name(index, layer.field), layer)
  return made


def _let_through(model: keras.Model, name: str, layer: LayerShape) -> None:
  """Sets the filters from `layer.kept` on: each gives the channel of its own number as it is.

  Those from `layer.out_channels` on give zeros.
  """
  kept, passed, target = layer.kept, layer.out_channels, model.get_layer(name)
  kernel, *bias = target.get_weights()
  middle = channels.kernel_centre(layer.kernel, 1) if passed > kept else slice(0)
  if layer.kind == "conv":
    added = np.arange(kept, passed)
    kernel[..., kept:] = 0.0
    kernel[middle, middle, added, added] = 1.0
  else:
    kernel[:, :, kept:] = 0.0
    kernel[middle, middle, kept:passed] = 1.0
  for values in bias:
    values[kept:] = 0.0
  target.set_weights([kernel, *bias])
  if layer.batch_norm:
    norm = model.get_layer(f"{name}_norm")
    # Scale, offset, mean and variance of a batch norm that changes nothing.
    arrays = norm.get_weights()
    for values, neutral in zip(arrays, (1.0, 0.0, 0.0, 1.0 - EPSILON), strict=True):
      values[kept:] = neutral
    norm.set_weights(arrays)
