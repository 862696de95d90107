"""Published networks of the studies that begin with a trained one."""

from types import SimpleNamespace

import numpy as np
import pytest
from absl import app

from nadv2_tf.benchmarks.studies import pretrained


def _arrays(model, rng):
  """Arrays as a file of weights has them, drawn anew."""
  arrays = {}
  for layer in model.layers:
    place = layer.name.replace("_", "/", 1) if layer.name.startswith("block") else layer.name
    for weight in layer.weights:
      name = weight.name.removeprefix("moving_")
      arrays[f"{place}/{name}"] = rng.uniform(0.5, 1.5, weight.shape).astype(np.float32)
  return arrays


def test_efficientnet_lite0_takes_the_arrays_of_its_layers():
  model = pretrained.efficientnet_lite0(32)
  # Kernels, batch norms and the classifier as published: 4.65 million.
  assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4_652_008
  arrays = _arrays(model, np.random.default_rng(0))
  assert {"conv_stem/kernel", "block1/expand_conv/kernel", "block15/bn2/variance"} <= set(arrays)
  pretrained.fill(model, arrays)
  layer = model.get_layer("block3_bn1")
  np.testing.assert_array_equal(layer.moving_mean, arrays["block3/bn1/mean"])
  np.testing.assert_array_equal(layer.gamma, arrays["block3/bn1/gamma"])
  del arrays["block7/project_conv/kernel"]
  with pytest.raises(KeyError, match="block7/project_conv/kernel"):
    pretrained.fill(model, arrays)


def test_a_tflite_needs_images(monkeypatch):
  monkeypatch.setattr(pretrained, "FLAGS", SimpleNamespace(weights="v1.tflite", data=None))
  with pytest.raises(app.UsageError, match="--data is needed for a .tflite"):
    pretrained.main([])
