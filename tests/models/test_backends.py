"""Identity 11: the TensorFlow and the JAX backend agree on the same weights and widths."""

import pathlib

import numpy as np
import pytest
from jax_process import run_on_jax

from nadv2_tf import backbones
from nadv2_tf.models import super_network
from nadv2_tf.training.widths import WidthSampler

PROGRAM = """
import jax, keras, numpy as np
assert keras.config.backend() == "jax"
from nadv2_tf import backbones
from nadv2_tf.models import slice_network, super_network
# Every weight is read from a file below; JAX would compile a drawing of it for each shape.
keras.initializers.VarianceScaling.__call__ = lambda self, shape, dtype=None: np.zeros(shape, dtype)
space = backbones.search_space("mobilenet_v3_demo")
def run(model, inputs):  # compiled as a whole: op by op takes JAX a minute
  call = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
  return call(
    [variable.value for variable in model.trainable_variables],
    [variable.value for variable in model.non_trainable_variables],
    inputs,
  )

model = super_network(space, groups=2, inference="moving")
model.load_weights("super.weights.h5")
data = np.load("inputs.npz")
images, widths = data["images"], data["widths"]
sliced = slice_network(model, space.decode(widths[0]))
np.savez("outputs.npz", inference=run(model, [images, widths]), sliced=run(sliced, images))
"""


def test_jax_agrees_with_tensorflow(tmp_path, randomise, relative_gap):
  pytest.importorskip("jax", reason="the JAX backend is an extra: pip install nadv2-tf[jax]")
  space = backbones.search_space("mobilenet_v3_demo")
  model = randomise(super_network(space, groups=2, inference="moving"), seed=1)
  model.save_weights(tmp_path / "super.weights.h5")
  images = np.random.default_rng(2).normal(size=(4, 32, 32, 1)).astype(np.float32)
  widths = WidthSampler(space, 4, 4, seed=3).batch(0)
  np.savez(tmp_path / "inputs.npz", images=images, widths=widths)
  done = run_on_jax(PROGRAM, tmp_path)
  assert done.returncode == 0, done.stderr[-2000:]
  outputs = np.load(tmp_path / "outputs.npz")
  expected = np.asarray(model([images, widths], training=False))
  assert relative_gap(outputs["inference"], expected) <= 1e-4
  alone = np.repeat(widths[:1], 4, axis=0)
  assert relative_gap(outputs["sliced"], model([images, alone], training=False)) <= 1e-4


def test_layers_and_models_name_no_backend():
  """What must run on both backends imports neither."""
  root = pathlib.Path(__file__).resolve().parents[2] / "nadv2_tf"
  files = [*(root / "layers").glob("*.py"), *(root / "models").rglob("*.py")]
  assert len(files) >= 10
  for path in files:
    text = path.read_text(encoding="utf-8")
    for backend in ("import tensorflow", "import jax", "import torch"):
      assert backend not in text, f"{path.name}: {backend}"
