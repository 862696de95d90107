"""The super-network: every sub-network of a search space in one Keras model with shared weights."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from nadv2_tf.layers import pad_channels
from nadv2_tf.models.parts import classifier, convolution, depthwise, squeeze_excite
from nadv2_tf.models.stochastic_depth import branch_rates, drop_branches
from nadv2_tf.models.wiring import LayerMaker, wire


class _Value(NamedTuple):
  """What the maker passes along: features, and how many channels of each image are live."""

  features: Any
  live: Any


class _AllRemoved(keras.layers.Layer):
  """bool [batch]: the images whose listed columns of `widths` are all 0."""

  def __init__(self, columns, **kwargs):
    super().__init__(**kwargs)
    self.columns = columns

  def call(self, widths):
    removed = widths[:, self.columns[0]] == 0
    for column in self.columns[1:]:
      removed = ops.logical_and(removed, widths[:, column] == 0)
    return removed

  def compute_output_spec(self, widths):
    return keras.KerasTensor((widths.shape[0],), "bool")


class _Choose(keras.layers.Layer):
  """Per image one of two values, the narrower padded with zero channels."""

  def call(self, condition, true_features, true_live, false_features, false_live):
    channels = max(true_features.shape[-1], false_features.shape[-1])
    features = ops.where(
      condition[:, None, None, None],
      pad_channels(true_features, channels),
      pad_channels(false_features, channels),
    )
    return features, ops.where(condition, true_live, false_live)


class _PaddedAdd(keras.layers.Layer):
  """Residual or skip add; the narrower operand is padded with zero channels."""

  def call(self, shortcut, shortcut_live, features, live):
    channels = max(shortcut.shape[-1], features.shape[-1])
    total = pad_channels(shortcut, channels) + pad_channels(features, channels)
    return total, ops.maximum(shortcut_live, live)


class _InputLive(keras.layers.Layer):
  """int32 [batch]: every image starts with all its channels live."""

  def call(self, images, widths):
    return ops.full_like(widths[:, 0], images.shape[-1])

  def compute_output_spec(self, images, widths):
    return keras.KerasTensor((widths.shape[0],), "int32")


class _SuperMaker(LayerMaker):
  """Maker that reads a block's wiring as layers of the super-network."""

  def __init__(self, space, widths, norm, branch_rates):
    super().__init__(branch_rates)
    self._space = space
    self._widths = widths
    self._norm = norm

  def _filtered(self, layer_type, x, filters, kernel_column=None):
    layer = layer_type(
      filters,
      width_column=self._space.columns(self.block_index).get(filters.field),
      kernel_column=kernel_column,
      norm=self._norm,
      name=self.name(filters.field),
    )
    return _Value(*layer(x.features, x.live, self._widths))

  def convolution(self, x, filters):
    return self._filtered(convolution.SuperConvolution, x, filters)

  def depthwise(self, x, filters):
    column = self._space.columns(self.block_index).get("kernel")
    return self._filtered(depthwise.SuperDepthwise, x, filters, column)

  def squeeze_excite(self, x, units, skipped):
    layer = squeeze_excite.SuperSqueezeExcite(units, name=self.name("squeeze"))
    features = layer(x.features) if skipped is None else layer(x.features, skipped)
    return _Value(features, x.live)

  def add(self, shortcut, x):
    layer = _PaddedAdd(name=self.name("add"))
    return _Value(*layer(shortcut.features, shortcut.live, x.features, x.live))

  def drop_branch(self, x, rate):
    return _Value(drop_branches(rate, self.name("branch"))(x.features), x.live)

  def upsample(self, x, factor):
    layer = keras.layers.UpSampling2D(factor, name=self.name("upsample"))
    return _Value(layer(x.features), x.live)

  def global_pool(self, x):
    layer = keras.layers.GlobalAveragePooling2D(keepdims=True, name=self.name("pool"))
    return _Value(layer(x.features), x.live)

  def dropout(self, x, rate):
    if not rate:
      return x
    return _Value(keras.layers.Dropout(rate, name=self.name("dropout"))(x.features), x.live)

  def classifier(self, x, classes):
    layer = classifier.SuperClassifier(classes, name=self.name("classes"))
    return _Value(layer(x.features), x.live)

  def all_removed(self, fields):
    columns = self._space.columns(self.block_index)
    if not all(field in columns for field in fields):
      return None
    layer = _AllRemoved([columns[field] for field in fields], name=self.name("removed"))
    return layer(self._widths)

  def choose(self, condition, if_true, if_false):
    if condition is None:
      return if_false()
    true, false = if_true(), if_false()
    layer = _Choose(name=self.name("choose"))
    return _Value(*layer(condition, true.features, true.live, false.features, false.live))


class SuperNetwork(keras.Model):
  """The Keras model that `super_network` returns; called with values, it checks `widths`.

  Inside a traced function there are no values to check: whoever feeds it calls `check_widths`.
  """

  def __init__(self, inputs, outputs, space, name, branch_rates):
    super().__init__(inputs=inputs, outputs=outputs, name=name)
    self.space = space
    self.branch_rates = branch_rates

  def call(self, inputs, training=None, mask=None):
    values = _values(inputs[1])
    if values is not None:
      check_widths(self.space, values)
    return super().call(inputs, training=training, mask=mask)


def _values(widths):
  """`widths` as a NumPy array, or None if it is symbolic."""
  if isinstance(widths, keras.KerasTensor):
    return None
  try:
    return np.asarray(widths)
  except Exception:  # every backend raises an error of its own for a tensor without values
    return None


def super_network(
  space,
  groups=1,
  statistics="mixture",
  inference=None,
  momentum=0.99,
  synchronized=False,
  stochastic_depth=0.0,
):
  """The super-network of a search space: a Keras model, [images, widths] -> outputs.

  Image i of a batch runs through the sub-network of row i of `widths`; the active sub-networks
  are an input, so the model has no hidden state and one trace serves all of them.

  Args:
    space: a `SearchSpace`.
    groups: batch-norm statistics are taken over this many equal groups of rows. 1 is the paper's
      form, statistics of the mixture of all sub-networks in the batch.
    statistics: "mixture" or "live" (only the images that keep a channel); see `MaskedBatchNorm`.
    inference: what normalises when not training: "moving" averages, or the "batch" itself, for
      running one sub-network by its own statistics. The default is "moving" for one group and
      "batch" for several.
    momentum: of the moving averages.
    synchronized: with one group, whether its statistics are taken over all replicas.
    stochastic_depth: share of images that skip the last block's residual branch in training, see
      `branch_rates`.

  Returns:
    Model of inputs images, float [batch, height, width, channels], and widths, int32
    [batch, decisions], rows of `space.encode(spec)`. The kernel columns of a batch must be equal
    in all rows (others are refused): one kernel serves the batch.

  Source: NetAdaptV2, sections 2.1 to 2.3.
  """
  network = space.largest()
  images = keras.Input(network.input_shape, name="images")
  widths = keras.Input((len(space),), dtype="int32", name="widths")
  norm = {
    "groups": groups,
    "statistics": statistics,
    "inference": inference,
    "momentum": momentum,
    "synchronized": synchronized,
  }
  value = _Value(images, _InputLive(name="live_inputs")(images, widths))
  rates = branch_rates(network, stochastic_depth)
  outputs = wire(network, _SuperMaker(space, widths, norm, rates), value)
  return SuperNetwork(
    inputs=[images, widths],
    outputs=outputs.features,
    space=space,
    name=f"super_{network.name}",
    branch_rates=rates,
  )


def check_widths(space, widths):
  """Raises ValueError unless `widths` is a batch that the super-network can run.

  Args:
    space: the `SearchSpace`.
    widths: integer array, [batch, decisions].
  """
  if widths.ndim != 2 or widths.shape[1] != len(space):
    raise ValueError(f"widths must have the shape [batch, {len(space)}], got {list(widths.shape)}.")
  for column, decision in enumerate(space.decisions):
    values = widths[:, column]
    if values.min() < 0 or values.max() > decision.choices[-1]:
      raise ValueError(
        f"widths: {decision.name} must lie in [0, {decision.choices[-1]}], got "
        f"{values.min()} to {values.max()}."
      )
    if decision.kind == "kernel" and values.min() != values.max():
      raise ValueError(
        f"widths: {decision.name} must be equal in all rows of a batch (one kernel serves "
        f"them all), got {sorted(set(values.tolist()))}."
      )
