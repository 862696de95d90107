"""Stand-alone networks: a spec as a plain Keras model, without masks or custom objects."""

import keras

from nadv2_tf.layers import pad_channels
from nadv2_tf.models.parts import classifier, convolution, depthwise, squeeze_excite
from nadv2_tf.models.parts.names import layer_name


class _StandAloneMaker:
  """Maker that reads a block's wiring as plain Keras layers."""

  def __init__(self, spec):
    self._spec = spec
    self._index = 0

  def enter(self, block_index):
    self._index = block_index

  def _name(self, field):
    return layer_name(self._index, field)

  def convolution(self, x, filters):
    return convolution.stand_alone(x, filters, self._name(filters.field))

  def depthwise(self, x, filters):
    return depthwise.stand_alone(x, filters, self._name(filters.field))

  def squeeze_excite(self, x, units, skipped):
    return x if skipped else squeeze_excite.stand_alone(x, units, self._name("squeeze"))

  def add(self, shortcut, x):
    channels = max(shortcut.shape[-1], x.shape[-1])
    operands = [pad_channels(shortcut, channels), pad_channels(x, channels)]
    return keras.layers.Add(name=self._name("add"))(operands)

  def upsample(self, x, factor):
    return keras.layers.UpSampling2D(factor, name=self._name("upsample"))(x)

  def global_pool(self, x):
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=self._name("pool"))(x)

  def dropout(self, x, rate):
    return keras.layers.Dropout(rate, name=self._name("dropout"))(x) if rate else x

  def classifier(self, x, classes):
    return classifier.stand_alone(x, classes, self._name("classes"))

  def all_removed(self, fields):
    return all(getattr(self._spec.blocks[self._index], field) == 0 for field in fields)

  def choose(self, condition, if_true, if_false):
    return if_true() if condition else if_false()


def stand_alone(spec):
  """A plain Keras model of `spec` with fresh weights: images -> outputs.

  Args:
    spec: a `NetworkSpec`.

  Returns:
    Model of float images, [batch, height, width, channels]. It is made of Keras's own layers and
    operations only, so a saved file loads without this package.
  """
  make = _StandAloneMaker(spec)
  x = images = keras.Input(spec.input_shape, name="images")
  outputs = []
  for index, block in enumerate(spec.blocks):
    make.enter(index)
    x = block.wire(make, x)
    for skip in spec.skips:
      if skip.target == index:
        x = make.add(outputs[skip.source], x)
    outputs.append(x)
  return keras.Model(images, x, name=_model_name(spec.name))


def _model_name(name):
  return "".join(char if char.isalnum() or char in "_-." else "_" for char in name) or "network"
