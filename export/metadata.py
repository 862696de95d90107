"""What a TFLite file says about itself: name, author, licence, input, output, labels."""

import dataclasses
import importlib
import io
import json
import pathlib
import struct
import tempfile
import zipfile

from nadv2_tf.export.support import load_metadata_writer
from nadv2_tf.export.tflite import interpreter

#: `tasks.examples.normalise`: (pixel - mean) / standard deviation is in [-1, 1]
PIXEL_MEAN = PIXEL_STD = 127.5
LABEL_FILE = "labels.txt"
READER = "tensorflow_lite_support.metadata.python.metadata"


@dataclasses.dataclass(frozen=True)
class Description:
  """What is written into a file.

  Attributes:
    name, version, author, licence: of the network, for people.
    labels: names of the classes in the order of the outputs; empty for a network that is no
      classifier.
    output: what the output means, such as "metres"; "" takes the classifier's words.
    details: more about the network; goes into its description.
  """

  name: str
  version: str = "1"
  author: str = "not given"
  licence: str = "not given"
  labels: tuple[str, ...] = ()
  output: str = ""
  details: str = ""


def described(content, description):
  """A TFLite file with metadata and, for a classifier, its labels.

  Args:
    content: the file, as bytes.
    description: a `Description`.

  Returns:
    The new file, as bytes; metadata is read back and checked first.

  Raises:
    ImportError: where tflite-support has no wheel.
    ValueError: if the labels do not fit the outputs, or what is read back is not what was written.
  """
  _check_labels(content, description.labels)
  with tempfile.TemporaryDirectory() as folder:
    labels = pathlib.Path(folder) / LABEL_FILE
    labels.write_text("\n".join(description.labels) + "\n", encoding="utf-8")
    files = [labels] if description.labels else []
    made = _without_times(bytes(_writer(content, description, files).populate()))
  found = read(made)
  expected = {"name": description.name, "author": description.author}
  expected |= {"version": description.version, "license": description.licence}
  for field, value in expected.items():
    if found.get(field) != value:
      raise ValueError(f"Metadata: {field} was written as {value!r}, read as {found.get(field)!r}.")
  if read_labels(made) != list(description.labels):
    raise ValueError(f"Metadata: the labels read back are {read_labels(made)}.")
  return made


def _without_times(content):
  """The same file with packed files of 1 January 1980: one network gives the same bytes always."""
  if not zipfile.is_zipfile(io.BytesIO(content)):
    return content  # no labels
  with zipfile.ZipFile(io.BytesIO(content)) as packed:
    entries, directory = packed.infolist(), packed.start_dir
  made = bytearray(content)
  for entry in entries:
    for place in (entry.header_offset + 10, directory + 12):  # time and date in both headers
      struct.pack_into("<HH", made, place, 0, 1 << 5 | 1)
    directory += 46 + sum(struct.unpack_from("<HHH", made, directory + 28))
  return bytes(made)


def read(content):
  """The metadata of a TFLite file as a dictionary.

  Raises:
    ValueError: if it has none.
  """
  return json.loads(_reader(content).get_metadata_json())


def read_labels(content):
  """The labels packed into a TFLite file; [] without any."""
  reader = _reader(content)
  if LABEL_FILE not in reader.get_packed_associated_file_list():
    return []
  return reader.get_associated_file_buffer(LABEL_FILE).decode().rstrip("\n").split("\n")


def _reader(content):
  load_metadata_writer("writer_utils")  # makes the package importable
  return importlib.import_module(READER).MetadataDisplayer.with_model_buffer(content)


def _check_labels(content, labels):
  shape = interpreter(content).get_output_details()[0]["shape"]
  if labels and shape[-1] != len(labels):
    raise ValueError(f"{len(labels)} labels do not fit {shape[-1]} outputs.")
  broken = [label for label in labels if "\n" in label or not label]
  if broken:
    raise ValueError(f"A label must be one line of text, got {broken[0]!r}.")


def _writer(content, description, label_files):
  info = load_metadata_writer("metadata_info")
  types = load_metadata_writer("writer_utils")
  schema = importlib.import_module("tensorflow_lite_support.metadata.metadata_schema_py_generated")
  buffer = bytearray(content)
  channels = interpreter(content).get_input_details()[0]["shape"][-1]
  spaces = schema.ColorSpaceType
  general = info.GeneralMd(
    name=description.name,
    version=description.version,
    description=f"{_purpose(description)} {description.details}".strip(),
    author=description.author,
    licenses=description.licence,
  )
  image = info.InputImageTensorMd(
    name="image",
    description=f"Pixels from 0 to 255, less {PIXEL_MEAN:g}, over {PIXEL_STD:g}: from -1 to 1.",
    norm_mean=[PIXEL_MEAN],
    norm_std=[PIXEL_STD],
    color_space_type=spaces.GRAYSCALE if channels == 1 else spaces.RGB,
    tensor_type=types.get_input_tensor_types(buffer)[0],
  )
  if description.labels:
    output = info.ClassificationTensorMd(
      name="logits",
      description=description.output
      or "A logit for each label: the largest is the answer, softmax gives probabilities.",
      label_files=[info.LabelFileMd(file_path=str(path)) for path in label_files],
      tensor_type=types.get_output_tensor_types(buffer)[0],
    )
    # The writer notes a range of 0 to 1, which probabilities have and logits have not.
    output.min_values = output.max_values = None
  else:
    output = info.TensorMd(name="output", description=description.output)
  writer = load_metadata_writer("metadata_writer").MetadataWriter
  return writer.create_from_metadata_info(
    model_buffer=buffer,
    general_md=general,
    input_md=[image],
    output_md=[output],
    associated_files=[str(path) for path in label_files],
  )


def _purpose(description):
  if description.labels:
    return f"Tells {len(description.labels)} classes of images apart."
  return f"Gives {description.output or 'an output'} for an image."
