"""Identity 11: the TensorFlow and the JAX backend agree on the same weights and widths."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import (
  Conv,
  Depthwise,
  GlobalPool,
  Head,
  Norm,
  Pool,
  Rescale,
  Residual,
  UniversalBottleneck,
)
from nadv2_tf.training.widths import WidthSampler

PROGRAM = """
import sys

class Absent:  # layers and models must do without TensorFlow, as where it is not installed
  def find_spec(self, name, path=None, target=None):
    if name.partition(".")[0] == "tensorflow":
      raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import jax, keras, numpy as np
assert keras.config.backend() == "jax"
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.spec import NetworkSpec, space_of
def run(model, inputs):  # compiled as a whole: op by op takes JAX a minute
  call = jax.jit(lambda *arguments: model.stateless_call(*arguments, training=False)[0])
  return call(
    [variable.value for variable in model.trainable_variables],
    [variable.value for variable in model.non_trainable_variables],
    inputs,
  )

for name in sys.argv[1:]:
  with open(f"{name}.json") as file:
    space = space_of(NetworkSpec.from_json(file.read()), levels=8)
  model = super_network(space, groups=2, inference="moving")
  model.load_weights(f"{name}.weights.h5")
  data = np.load(f"{name}.npz")
  images, widths = data["images"], data["widths"]
  sliced = slice_network(model, space.decode(widths[0]))
  np.savez(
    f"{name}_outputs.npz", inference=run(model, [images, widths]), sliced=run(sliced, images)
  )
"""
#: small, for JAX compiles them whole: each kind of layer that the demo's network does not have
OTHER = NetworkSpec(
  "other",
  (16, 16, 3),
  (
    Rescale((0.5, 1.0, 2.0), (-1.0, 0.25, 0.0)),
    Conv(8, 4, 2, "relu6", batch_norm=False, padding=(2, 1)),
    Pool("max", 3, 2, (1, 1)),
    Norm("swish"),
    Depthwise(8, 5, batch_norm=False),
    UniversalBottleneck(
      8, 8, 16, squeeze=4, squeeze_activation="swish", gate="sigmoid", bypass_cap=4
    ),
    Residual(8, 12, None, 12, first_stride=2, bypass_cap=4),
    Pool("average", 3, 1),
    GlobalPool(),
    Head(5),
  ),
)
NETWORKS = {"demo": backbones.search_space("mobilenet_v3_demo").network, "other": OTHER}


def test_jax_agrees_with_tensorflow(tmp_path, randomise, relative_gap):
  pytest.importorskip("jax", reason="the JAX backend is an extra: pip install nadv2-tf[jax]")
  expected = {}
  for name, network in NETWORKS.items():
    space = space_of(network, levels=8)
    model = randomise(super_network(space, groups=2, inference="moving"), seed=1, shift=0.1)
    images = np.random.default_rng(2).normal(size=(4, *network.input_shape)).astype(np.float32)
    widths = WidthSampler(space, 4, 4, seed=3).batch(0)
    alone = np.repeat(widths[:1], 4, axis=0)
    expected[name] = [np.asarray(model([images, rows])) for rows in (widths, alone)]
    (tmp_path / f"{name}.json").write_text(network.to_json())
    model.save_weights(tmp_path / f"{name}.weights.h5")
    np.savez(tmp_path / f"{name}.npz", images=images, widths=widths)
  environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
  done = subprocess.run(
    [sys.executable, "-c", PROGRAM, *NETWORKS],
    cwd=tmp_path,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  for name, (mixed, alone) in expected.items():
    outputs = np.load(tmp_path / f"{name}_outputs.npz")
    assert relative_gap(outputs["inference"], mixed) <= 1e-4, name
    assert relative_gap(outputs["sliced"], alone) <= 1e-4, name


def test_layers_and_models_name_no_backend():
  """What must run on both backends imports neither."""
  root = pathlib.Path(__file__).resolve().parents[2] / "nadv2_tf"
  files = [*(root / "layers").glob("*.py"), *(root / "models").rglob("*.py")]
  assert len(files) >= 10
  for path in files:
    text = path.read_text(encoding="utf-8")
    for backend in ("import tensorflow", "import jax", "import torch"):
      assert backend not in text, f"{path.name}: {backend}"
