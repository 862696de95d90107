"""The classifier: a fixed 1x1 convolution on pooled features, logits out."""

import keras
from keras import ops


class SuperClassifier(keras.layers.Layer):
  """Classifier of the super-network; dead channels are 0 and add nothing."""

  def __init__(self, classes, **kwargs):
    super().__init__(**kwargs)
    self.classes = classes

  def build(self, features_shape):
    shape = (features_shape[-1], self.classes)
    self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
    self.bias = self.add_weight(name="bias", shape=(self.classes,), initializer="zeros")

  def call(self, features):
    """Logits, [batch, classes], of `features`, [batch, 1, 1, channels]."""
    return ops.matmul(features[:, 0, 0, :], self.kernel) + self.bias

  def compute_output_spec(self, features):
    return keras.KerasTensor((features.shape[0], self.classes), features.dtype)


def stand_alone(x, classes, name):
  """The same in plain Keras."""
  logits = keras.layers.Conv2D(classes, 1, name=name)(x)
  return keras.layers.Flatten(name="logits")(logits)


def sliced_weights(super_layer, shape):
  """Arrays of the 1x1 convolution for a `LayerShape`."""
  kernel = ops.convert_to_numpy(super_layer.kernel)[: shape.in_channels]
  return [kernel[None, None], ops.convert_to_numpy(super_layer.bias)]
