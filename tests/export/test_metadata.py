"""Metadata: written, read back, and taken by the Task Library."""

import subprocess
import sys

import numpy as np
import pytest
from nadv2_tf.export import support
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, predictor

if not support.has_metadata_writers():
  pytest.skip("tflite-support has no wheel here", allow_module_level=True)

from nadv2_tf.export import metadata

DESCRIPTION = metadata.Description(
  name="tiny", version="7", author="A. Nother", licence="MIT", labels=("ant", "bee", "cow")
)


@pytest.fixture
def plain(network):
  return convert(concrete_function(network))


def test_a_classifier_says_what_it_is(plain, examples):
  content = metadata.described(plain, DESCRIPTION)
  found = metadata.read(content)
  assert (found["name"], found["version"]) == ("tiny", "7")
  assert (found["author"], found["license"]) == ("A. Nother", "MIT")
  (graph,) = found["subgraph_metadata"]
  (image,), (output,) = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
  (unit,) = image["process_units"]
  assert unit["options_type"] == "NormalizationOptions"
  assert unit["options"] == {"mean": [127.5], "std": [127.5]}
  assert image["content"]["content_properties"]["color_space"] == "GRAYSCALE"
  assert "logit" in output["description"] and output["stats"] == {}
  assert output["associated_files"][0]["type"] == "TENSOR_AXIS_LABELS"
  assert metadata.read_labels(content) == ["ant", "bee", "cow"]
  images = examples.inputs()[:4]
  np.testing.assert_array_equal(predictor(content)(images), predictor(plain)(images))


def test_the_same_network_gives_the_same_bytes_at_any_time(plain, monkeypatch):
  first = metadata.described(plain, DESCRIPTION)
  monkeypatch.setattr("time.time", lambda: 1e9)
  assert metadata.described(plain, DESCRIPTION) == first


def test_a_depth_network_says_what_its_output_is(plain):
  description = metadata.Description("depth", output="depth in metres")
  content = metadata.described(plain, description)
  (graph,) = metadata.read(content)["subgraph_metadata"]
  (output,) = graph["output_tensor_metadata"]
  assert output["description"] == "depth in metres"
  assert "associated_files" not in output and metadata.read_labels(content) == []
  assert "Gives depth in metres for an image." in metadata.read(content)["description"]


def test_labels_that_do_not_fit_are_refused(plain):
  with pytest.raises(ValueError, match="2 labels do not fit 3 outputs"):
    metadata.described(plain, metadata.Description("tiny", labels=("ant", "bee")))
  with pytest.raises(ValueError, match="one line of text"):
    metadata.described(plain, metadata.Description("tiny", labels=("ant", "bee\n", "cow")))


def test_a_file_without_metadata_is_no_silent_success(plain):
  with pytest.raises(ValueError, match="metadata"):
    metadata.read(plain)


# In a process of its own: with TensorFlow loaded, the library's bindings cannot be imported.
READER = """
import ctypes, sys
sys.modules["tensorflow"] = None
try:
  ctypes.CDLL("libusb-1.0.so.0", mode=ctypes.RTLD_GLOBAL)
except OSError:
  import libusb_package
  ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
import numpy as np
from tensorflow_lite_support.python.task.vision import image_classifier
from tensorflow_lite_support.python.task.vision.core import tensor_image
classifier = image_classifier.ImageClassifier.create_from_file(sys.argv[1])
image = tensor_image.TensorImage.create_from_array(np.load(sys.argv[2]))
for category in classifier.classify(image).classifications[0].categories:
  print(category.category_name, category.score)
"""


@pytest.mark.parametrize("mode", ["none", "int8"])
def test_the_task_library_reads_it(tmp_path, randomise, mode):
  """It takes colour images alone, normalises by the metadata and names the classes by it."""
  from nadv2_tf.models import stand_alone
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Conv, Head

  spec = NetworkSpec("colour", (8, 8, 3), (Conv(8, 3, 2, "hard_swish"), Head(3, None)))
  network = randomise(stand_alone(spec), seed=1)
  image = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint8)
  inputs = image[None].astype(np.float32) / 127.5 - 1
  quantization = Quantization(mode, inputs if mode == "int8" else None)
  content = convert(concrete_function(network), quantization)
  (tmp_path / "net.tflite").write_bytes(metadata.described(content, DESCRIPTION))
  np.save(tmp_path / "image.npy", image)
  done = subprocess.run(
    [sys.executable, "-c", READER, "net.tflite", "image.npy"],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  found = dict(line.split() for line in done.stdout.splitlines())
  scores = dict(zip(DESCRIPTION.labels, predictor(content)(inputs)[0], strict=True))
  expected = {name: score for name, score in scores.items() if score > 0}
  assert expected and set(found) == set(expected)  # it leaves out scores below 0
  for name, score in expected.items():
    assert abs(float(found[name]) - score) <= 1e-3  # the library is a build of its own
