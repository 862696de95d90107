"""Our metadata and that of tflite-support, each read by the other; and the Task Library.

tflite-support has no wheel above Python 3.11 and wants protobuf below 4. Its metadata writers and
readers need no protobuf and run beside TensorFlow when it is installed without what it wants, as
`make test` does; the Task Library gets a protobuf of its own.
"""

import ctypes
import importlib
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from nadv2_tf.export import metadata
from nadv2_tf.export.metadata_file import metadata_of
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, interpreter, predictor

if importlib.util.find_spec("tensorflow_lite_support") is None:
  pytest.skip(
    "needs Python 3.11 and: pip install --no-deps tflite-support==0.4.4", allow_module_level=True
  )

DESCRIPTIONS = {
  "classifier": metadata.Description(
    name="tiny", version="7", author="A. Nother", licence="MIT", labels=("ant", "bee", "cow")
  ),
  "long": metadata.Description(
    name="ämeise", labels=("Ämeise", "bee hive", "牛"), output="scores", details="Made here."
  ),
  "depth": metadata.Description("depth", output="depth in metres"),
  "nothing": metadata.Description("tiny"),
}
#: name -> (description, integer); read by test_metadata.py on every Python.
#: To make it: RECORD=1 python -m pytest tests/export/test_tflite_support.py -k recorded
RECORDED = {"classifier": ("classifier", False), "depth_int8": ("depth", True)}
RECORDED_FILE = pathlib.Path(__file__).parent / "recorded_metadata.json"


def load(name):
  """A module of tflite-support's metadata.

  The package `tflite_support` itself is not imported: it loads the Task Library's bindings too,
  and with TensorFlow in the same process these fail. The writers link against libusb-1.0.so.0
  although they use no USB device; libusb-package carries it, and loaded first it satisfies the
  linker without root rights.
  """
  try:
    ctypes.CDLL("libusb-1.0.so.0", mode=ctypes.RTLD_GLOBAL)
  except OSError:
    # Before the first import: one that fails half-way registers types and cannot be repeated.
    import libusb_package

    ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
  return importlib.import_module(f"tensorflow_lite_support.metadata.{name}")


def written_by_tflite_support(content, description, folder):
  """The file that its writer makes, with our words."""
  writers = "python.metadata_writers"
  info, types = load(f"{writers}.metadata_info"), load(f"{writers}.writer_utils")
  spaces = load("metadata_schema_py_generated").ColorSpaceType
  buffer, files = bytearray(content), []
  channels = interpreter(content).get_input_details()[0]["shape"][-1]
  general = info.GeneralMd(
    name=description.name,
    version=description.version,
    description=metadata.document(content, description)["description"],
    author=description.author,
    licenses=description.licence,
  )
  image = info.InputImageTensorMd(
    name="image",
    description="Pixels from 0 to 255, less 127.5, over 127.5: from -1 to 1.",
    norm_mean=[127.5],
    norm_std=[127.5],
    color_space_type=spaces.GRAYSCALE if channels == 1 else spaces.RGB,
    tensor_type=types.get_input_tensor_types(buffer)[0],
  )
  if description.labels:
    path = folder / "labels.txt"
    path.write_text("\n".join(description.labels) + "\n", encoding="utf-8")
    files.append(info.LabelFileMd(file_path=str(path)))
    files[0].description = "A class a line, in the order of the outputs."
    output = info.ClassificationTensorMd(
      name="logits",
      description=description.output
      or "A logit for each label: the largest is the answer, softmax gives probabilities.",
      label_files=files,
      tensor_type=types.get_output_tensor_types(buffer)[0],
    )
    # The writer notes a range of 0 to 1, which probabilities have and logits have not.
    output.min_values = output.max_values = None
  else:
    output = info.TensorMd(name="output", description=description.output)
  made = load(f"{writers}.metadata_writer").MetadataWriter.create_from_metadata_info(
    model_buffer=buffer,
    general_md=general,
    input_md=[image],
    output_md=[output],
    associated_files=[file.file_path for file in files],
  )
  return bytes(made.populate())


def read_by_tflite_support(content):
  """(metadata as a dictionary, name -> packed file)."""
  reader = load("python.metadata").MetadataDisplayer.with_model_buffer(content)
  packed = reader.get_packed_associated_file_list()
  files = {name: reader.get_associated_file_buffer(name) for name in packed}
  return json.loads(reader.get_metadata_json()), files


@pytest.fixture
def file_of(network, examples):
  """Function (integer) -> a TFLite file, float32 or int8 on both sides."""

  def make(integer):
    images = examples.inputs()[:32]
    quantization = Quantization("int8", images, integer_io=True) if integer else None
    return convert(concrete_function(network), quantization)

  return make


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("name", sorted(DESCRIPTIONS))
def test_each_reads_what_the_other_writes(file_of, tmp_path, name, integer):
  content, description = file_of(integer), DESCRIPTIONS[name]
  ours = metadata.described(content, description)
  theirs = written_by_tflite_support(content, description, tmp_path)
  said, files = read_by_tflite_support(ours)
  assert said == metadata.read(ours) == metadata.read(theirs)
  assert (said, files) == read_by_tflite_support(theirs)
  assert said["name"] == description.name and bool(files) == bool(description.labels)
  assert metadata.read_labels(ours) == metadata.read_labels(theirs) == list(description.labels)
  assert list(said) == list(metadata.read(ours))  # in the same order


def test_the_packed_files_differ_by_their_date_alone(file_of, tmp_path):
  content, description = file_of(False), DESCRIPTIONS["classifier"]
  found = []
  for made in (
    metadata.described(content, description),
    written_by_tflite_support(content, description, tmp_path),
  ):
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
      (entry,) = archive.infolist()
    assert made[entry.header_offset :].startswith(b"PK\3\4")
    found.append((entry.filename, entry.compress_type, entry.CRC, entry.external_attr))
    assert (entry.date_time == (1980, 1, 1, 0, 0, 0)) == (len(found) == 1)
  assert found[0] == found[1]


def test_what_is_recorded_is_what_it_writes(file_of, tmp_path):
  made = {}
  for name, (description, integer) in RECORDED.items():
    written = written_by_tflite_support(file_of(integer), DESCRIPTIONS[description], tmp_path)
    lines = textwrap.wrap(bytes(metadata_of(written)).hex(), 96)
    made[name] = {"bytes": lines, "read": read_by_tflite_support(written)[0]}
  if os.environ.get("RECORD"):
    RECORDED_FILE.write_text(json.dumps(made, indent=1) + "\n")
  assert json.loads(RECORDED_FILE.read_text()) == made


# --- the Task Library


@pytest.fixture(scope="module")
def old_protobuf(tmp_path_factory):
  """A folder with the protobuf that the Task Library's generated code is for."""
  folder = tmp_path_factory.mktemp("protobuf")
  pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps"]
  done = subprocess.run(
    [*pip, "--target", folder, "protobuf==3.20.3"],
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    pytest.skip(f"pip cannot get protobuf 3.20.3: {done.stderr.strip()[-200:]}")
  return folder


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
def test_the_task_library_reads_it(tmp_path, randomise, old_protobuf, mode):
  """It takes colour images alone, normalises by the metadata and names the classes by it."""
  from nadv2_tf.models import stand_alone
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.blocks import Conv, Head

  description = DESCRIPTIONS["classifier"]
  spec = NetworkSpec("colour", (8, 8, 3), (Conv(8, 3, 2, "hard_swish"), Head(3, None)))
  network = randomise(stand_alone(spec), seed=1)
  image = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.uint8)
  inputs = image[None].astype(np.float32) / 127.5 - 1
  quantization = Quantization(mode, inputs if mode == "int8" else None)
  content = convert(concrete_function(network), quantization)
  (tmp_path / "net.tflite").write_bytes(metadata.described(content, description))
  np.save(tmp_path / "image.npy", image)
  done = subprocess.run(
    [sys.executable, "-c", READER, "net.tflite", "image.npy"],
    cwd=tmp_path,
    env={**os.environ, "PYTHONPATH": str(old_protobuf)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  found = dict(line.split() for line in done.stdout.splitlines())
  scores = dict(zip(description.labels, predictor(content)(inputs)[0], strict=True))
  expected = {name: score for name, score in scores.items() if score > 0}
  assert expected and set(found) == set(expected)  # it leaves out scores below 0
  for name, score in expected.items():
    assert abs(float(found[name]) - score) <= 1e-3  # the library is a build of its own
