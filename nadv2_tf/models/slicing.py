"""Cuts a sub-network's weights out of a trained super-network."""

from nadv2_tf.models.parts import classifier, convolution, depthwise, squeeze_excite
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.models.stand_alone import stand_alone


def _set_filtered(part, model, super_layer, shape, name):
  kernel_and_bias, norm = part.sliced_weights(super_layer, shape)
  model.get_layer(name).set_weights(kernel_and_bias)
  if norm is not None:
    model.get_layer(f"{name}_norm").set_weights(norm)


def _set_convolution(model, super_layer, shape, name):
  _set_filtered(convolution, model, super_layer, shape, name)


def _set_depthwise(model, super_layer, shape, name):
  _set_filtered(depthwise, model, super_layer, shape, name)


def _set_squeeze_excite(model, super_layer, shape, name):
  for suffix, arrays in squeeze_excite.sliced_weights(super_layer, shape).items():
    model.get_layer(f"{name}_{suffix}").set_weights(arrays)


def _set_classifier(model, super_layer, shape, name):
  model.get_layer(name).set_weights(classifier.sliced_weights(super_layer, shape))


#: kind of layer -> (field in its name if the shape has none, how its weights are set)
SETTERS = {
  "conv": ("", _set_convolution),
  "depthwise": ("", _set_depthwise),
  "squeeze_excite": ("squeeze", _set_squeeze_excite),
  "classifier": ("classes", _set_classifier),
}


def slice_network(super_model, spec):
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
  return model
