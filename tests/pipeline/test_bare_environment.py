"""What a run leaves is read where this package is not installed: plain Keras, plain LiteRT."""

import importlib.metadata
import pathlib
import shutil
import subprocess
import venv

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nadv2_tf.export import predictor

ABSENT = """
import importlib.util
for name in ("nadv2_tf", {absent}):
  assert importlib.util.find_spec(name) is None, name
"""
KERAS = """
import numpy as np
import keras
network = keras.saving.load_model("found.keras")
np.save("outputs.npy", network(np.load("images.npy"), training=False))
"""
LITERT = """
import numpy as np
from ai_edge_litert.interpreter import Interpreter
made = Interpreter(model_path="found.tflite")
made.allocate_tensors()
outputs = []
for image in np.load("images.npy"):
  made.set_tensor(made.get_input_details()[0]["index"], image[None])
  made.invoke()
  outputs.append(made.get_tensor(made.get_output_details()[0]["index"])[0].copy())
np.save("outputs.npy", outputs)
"""


def needed(names):
  """Names of the installed distributions that these need, themselves among them."""
  found, left = set(), list(names)
  while left:
    name = canonicalize_name(left.pop())
    if name in found:
      continue
    found.add(name)
    for text in importlib.metadata.requires(name) or ():
      requirement = Requirement(text)
      if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        left.append(requirement.name)
  return found


def make_environment(folder, names):
  """Python of a new virtual environment that holds these distributions and what they need.

  The packages are linked to, not fetched: what is missing in it is what this is about.
  """
  venv.create(folder, with_pip=False, symlinks=True)
  (site,) = pathlib.Path(folder).glob("lib/python*/site-packages")
  for name in needed(names):
    distribution = importlib.metadata.distribution(name)
    for part in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
      if not (site / part).exists():
        (site / part).symlink_to(distribution.locate_file(part))
  return folder / "bin" / "python"


@pytest.mark.parametrize(
  ("packages", "code", "absent"),
  [
    (("keras", "tensorflow"), KERAS, "'ai_edge_litert', 'tensorflow_model_optimization'"),
    (("ai-edge-litert",), LITERT, "'keras', 'tensorflow'"),
  ],
  ids=["keras", "litert"],
)
def test_artefacts_load_without_this_package(finished_run, tmp_path, bands, packages, code, absent):
  for name in ("found.keras", "found.tflite"):
    shutil.copy(finished_run[0] / name, tmp_path / name)
  images = np.load(bands.removeprefix("npz:"))["x_test"][:8].astype(np.float32) / 127.5 - 1
  np.save(tmp_path / "images.npy", images)
  python = make_environment(tmp_path / "environment", packages)
  command = [python, "-I", "-c", ABSENT.format(absent=absent) + code]
  done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr
  expected = predictor(finished_run[0] / "found.tflite")(images)
  assert np.abs(np.load(tmp_path / "outputs.npy") - expected).max() <= 1e-4 * expected.std()
