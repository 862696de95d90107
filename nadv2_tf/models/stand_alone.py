"""Stand-alone networks: a spec as a plain Keras model, without masks or custom objects."""

import keras

from nadv2_tf.layers import pad_channels
from nadv2_tf.models.parts import classifier, convolution, depthwise, squeeze_excite
from nadv2_tf.models.stochastic_depth import branch_rates, drop_branches
from nadv2_tf.models.wiring import LayerMaker, wire


class _StandAloneMaker(LayerMaker):
  """Maker that reads a block's wiring as plain Keras layers."""

  def __init__(self, spec, branch_rates):
    super().__init__(branch_rates)
    self._spec = spec

  def convolution(self, x, filters):
    return convolution.stand_alone(x, filters, self.name(filters.field))

  def depthwise(self, x, filters):
    return depthwise.stand_alone(x, filters, self.name(filters.field))

  def squeeze_excite(self, x, units, skipped):
    return x if skipped else squeeze_excite.stand_alone(x, units, self.name("squeeze"))

  def add(self, shortcut, x):
    channels = max(shortcut.shape[-1], x.shape[-1])
    operands = [pad_channels(shortcut, channels), pad_channels(x, channels)]
    return keras.layers.Add(name=self.name("add"))(operands)

  def drop_branch(self, x, rate):
    return drop_branches(rate, self.name("branch"))(x)

  def upsample(self, x, factor):
    # UpSampling2D repeats rows and columns, which TFLite runs as tiles and reshapes; this is one
    # operator with the same values, which GPU delegates and integer kernels have too.
    size = (x.shape[1] * factor, x.shape[2] * factor)
    return keras.layers.Resizing(*size, interpolation="nearest", name=self.name("upsample"))(x)

  def global_pool(self, x):
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool"))(x)

  def dropout(self, x, rate):
    return keras.layers.Dropout(rate, name=self.name("dropout"))(x) if rate else x

  def classifier(self, x, classes):
    return classifier.stand_alone(x, classes, self.name("classes"))

  def all_removed(self, fields):
    return all(getattr(self._spec.blocks[self.block_index], field) == 0 for field in fields)

  def choose(self, condition, if_true, if_false):
    return if_true() if condition else if_false()


def stand_alone(spec, stochastic_depth=0.0):
  """A plain Keras model of `spec` with fresh weights: images -> outputs.

  Args:
    spec: a `NetworkSpec`.
    stochastic_depth: share of images that skip the last block's residual branch in training, see
      `branch_rates`.

  Returns:
    Model of float images, [batch, height, width, channels]. It is made of Keras's own layers and
    operations only, so a saved file loads without this package.
  """
  images = keras.Input(spec.input_shape, name="images")
  maker = _StandAloneMaker(spec, branch_rates(spec, stochastic_depth))
  outputs = wire(spec, maker, images)
  return keras.Model(images, outputs, name=_model_name(spec.name))


def _model_name(name):
  return "".join(char if char.isalnum() or char in "_-." else "_" for char in name) or "network"
