"""nadv2-evaluate on depth maps of synthetic rooms."""

import json

import keras
import numpy as np
import pytest

from nadv2_tf.tasks.depth import Depth
from nadv2_tf.tasks.depth.measures import evaluate_maps


@pytest.fixture
def constant(tmp_path):
  """A network that says 3 m everywhere."""
  images = keras.Input((16, 16, 3))
  layer = keras.layers.Conv2D(1, 1, kernel_initializer="zeros")
  model = keras.Model(images, layer(images))
  model.layers[-1].bias.assign([3.0])
  model.save(tmp_path / "constant.keras")
  return tmp_path / "constant.keras"


def test_measures_of_a_constant(run_command, constant):
  status, stdout, _ = run_command("evaluate", f"--network={constant}", "--data=rooms:20", "--json")
  assert status == 0
  result = json.loads(stdout)
  truth = Depth("rooms:20", 16, 2, 0).source().test.labels
  expected = evaluate_maps([(np.full(truth.shape, 3.0), truth)])
  assert result["examples"] == 4
  assert result["measures"] == pytest.approx(expected.measures, rel=1e-5)
  status, stdout, _ = run_command("evaluate", f"--network={constant}", "--data=rooms:20")
  assert status == 0 and f"{expected.measures['RMSE (m)']:.4f}" in stdout


def test_what_does_not_fit_is_one_line(run_command, constant, check_one_line, tmp_path):
  status, _, stderr = run_command("evaluate", f"--network={constant}", "--data=demo")
  check_one_line(status, stderr, "--data must be tfds:NAME, folder:DIR or rooms:COUNT for depth")
  small = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(1, 2, 2)])
  small.save(tmp_path / "small.keras")
  path = tmp_path / "small.keras"
  status, _, stderr = run_command("evaluate", f"--network={path}", "--data=rooms:10")
  check_one_line(status, stderr, r"gives maps of \[8, 8, 1\], those of --data=rooms:10 have \[16,")
