"""What a TFLite file says about itself: name, author, licence, input, output, labels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.export import metadata_schema as schema
from nadv2_tf.export.metadata_file import file_of, metadata_of, with_metadata
from nadv2_tf.export.metadata_flatbuffer import decode, encode
from nadv2_tf.export.tflite import interpreter

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

#: what networks take for the pixels 0 and 255, unless they were given: `tasks.examples.normalise`
INPUT_RANGE = (-1.0, 1.0)
WHITE = 255.0
LABEL_FILE = "labels.txt"
#: share of what an integer input can hold that a range may lie outside of it, by its calibration
SLACK = 0.1


@dataclasses.dataclass(frozen=True)
class Description:
  """What is written into a file.

  Attributes:
    name, version, author, licence: of the network, for people.
    labels: names of the classes in the order of the outputs; empty for a network that is no
      classifier.
    output: what the output means, such as "metres"; "" takes the classifier's words.
    details: more about the network; goes into its description.
    input_range: what the network takes for the pixels 0 and 255.
  """

  name: str
  version: str = "1"
  author: str = "not given"
  licence: str = "not given"
  labels: tuple[str, ...] = ()
  output: str = ""
  details: str = ""
  input_range: tuple[float, float] = INPUT_RANGE


def described(content: bytes, description: Description) -> bytes:
  """A TFLite file with metadata and, for a classifier, its labels.

  Args:
    content: the file, as bytes.
    description: a `Description`.

  Returns:
    The new file, as bytes; metadata is read back and checked first.

  Raises:
    ValueError: if the labels do not fit the outputs, or what is read back is not what was written.
  """
  _check_labels(content, description.labels)
  said = document(content, description)
  labels = "\n".join(description.labels) + "\n"
  files = {LABEL_FILE: labels.encode()} if description.labels else {}
  made = with_metadata(content, encode(said, schema.METADATA, schema.METADATA_IDENTIFIER), files)
  if read(made) != said:
    raise ValueError(f"Metadata: {said} was written, read as {read(made)}.")
  if read_labels(made) != list(description.labels):
    raise ValueError(f"Metadata: the labels read back are {read_labels(made)}.")
  return made


def document(content: bytes, description: Description) -> dict[str, Any]:
  """The metadata of a TFLite file as a dictionary: what `read` gives when it is written."""
  return {
    "name": description.name,
    "description": f"{_purpose(description)} {description.details}".strip(),
    "version": description.version,
    "subgraph_metadata": [
      {
        "input_tensor_metadata": [
          _image(interpreter(content).get_input_details()[0], *description.input_range)
        ],
        "output_tensor_metadata": [_output(description)],
      }
    ],
    "author": description.author,
    "license": description.licence,
    "min_parser_version": schema.MIN_PARSER_VERSION,
  }


def _image(details: Mapping[str, Any], low: float, high: float) -> dict[str, Any]:
  """The input: whoever reads the file normalises pixels by it, and then quantizes them.

  (pixel - mean) / standard deviation is in [low, high].
  """
  std = WHITE / (high - low)
  mean = 0.0 - low * std
  scaling = {"mean": [mean], "std": [std]}
  is_float = details["dtype"] == np.float32  # the range is of what goes in, and int8 has its own
  said = f"Pixels from 0 to 255, less {mean:g}, over {std:g}: from {low:g} to {high:g}."
  return {
    "name": "image",
    "description": said if (low, high) != (0.0, WHITE) else "Pixels from 0 to 255, as they are.",
    "content": {
      "content_properties_type": "ImageProperties",
      "content_properties": {
        "color_space": "GRAYSCALE" if details["shape"][-1] == 1 else "RGB",
      },
    },
    "process_units": [{"options_type": "NormalizationOptions", "options": scaling}],
    "stats": {"max": [high], "min": [low]} if is_float else {},
  }


def _output(description: Description) -> dict[str, Any]:
  """The output; without a range, as logits and metres have none."""
  made = {
    "name": "output",
    "description": description.output,
    "content": {"content_properties_type": "FeatureProperties", "content_properties": {}},
    "stats": {},
  }
  if not description.labels:
    return made
  words = "A logit for each label: the largest is the answer, softmax gives probabilities."
  file = {
    "name": LABEL_FILE,
    "description": "A class a line, in the order of the outputs.",
    "type": "TENSOR_AXIS_LABELS",
  }
  logits = {"name": "logits", "description": description.output or words}
  return {**made, **logits, "associated_files": [file]}


def read(content: bytes) -> dict[str, Any]:
  """The metadata of a TFLite file as a dictionary, like the JSON of its flatbuffer.

  Raises:
    ValueError: in one line, if it has none or is damaged.
  """
  found = metadata_of(content)
  try:
    return decode(found, schema.METADATA, schema.METADATA_IDENTIFIER)
  except ValueError as error:
    raise ValueError(f"Cannot read the metadata of the TFLite file: {error}.") from None


def read_labels(content: bytes) -> list[str]:
  """The labels packed into a TFLite file; [] without any.

  Raises:
    ValueError: in one line, if the metadata names a file of labels that cannot be read.
  """
  graphs = read(content).get("subgraph_metadata", [])
  outputs = [output for graph in graphs for output in graph.get("output_tensor_metadata", [])]
  try:
    return file_of(content, LABEL_FILE).decode().rstrip("\n").split("\n")
  except ValueError:
    if any(output.get("associated_files") for output in outputs):
      raise
    return []


def input_range(content: bytes, details: Mapping[str, Any] | None = None) -> tuple[float, float]:
  """What a TFLite file takes for the pixels 0 and 255; -1 and 1 where nothing says it.

  Args:
    content: the file.
    details: LiteRT's of its input. What integers can hold is what they are for: a file of uint8
      takes bytes as they are, whatever its metadata tell an app to do with them.

  Raises:
    ValueError: if the metadata treats each channel in a way of its own.
  """
  held = _held(details) if details else None
  try:
    tensor = read(content)["subgraph_metadata"][0]["input_tensor_metadata"][0]
    options = next(
      unit["options"]
      for unit in tensor["process_units"]
      if unit.get("options_type") == "NormalizationOptions"
    )
    means, stds = list(options["mean"]), list(options["std"])
    if not all(stds) or not means:
      raise ValueError("a standard deviation of 0")
  except (ValueError, LookupError, StopIteration, TypeError):
    return held or INPUT_RANGE
  if len(set(means)) > 1 or len(set(stds)) > 1:
    raise ValueError(
      f"its metadata normalises each channel in a way of its own (mean {means}, standard deviation "
      f"{stds}), which cannot be fed"
    )
  said = (-means[0] / stds[0], (WHITE - means[0]) / stds[0])
  if held is None:
    return said
  size = held[1] - held[0]
  fits = held[0] - SLACK * size <= said[0] and said[1] <= held[1] + SLACK * size
  return said if fits and said[1] - said[0] > size / 2 else held


def _held(details: Mapping[str, Any]) -> tuple[float, float] | None:
  """(lowest, highest) value of an input of bytes; (0, 255) of one without a scale; None: floats."""
  dtype = np.dtype(details["dtype"])
  if not np.issubdtype(dtype, np.integer):
    return None
  scale, zero_point = details["quantization"]
  if not scale:
    return (0.0, WHITE)
  limits = np.iinfo(dtype)
  return ((limits.min - zero_point) * scale, (limits.max - zero_point) * scale)


def _check_labels(content: bytes, labels: Sequence[str]) -> None:
  shape = interpreter(content).get_output_details()[0]["shape"]
  if labels and shape[-1] != len(labels):
    raise ValueError(f"{len(labels)} labels do not fit {shape[-1]} outputs.")
  broken = [label for label in labels if "\n" in label or not label]
  if broken:
    raise ValueError(f"A label must be one line of text, got {broken[0]!r}.")


def _purpose(description: Description) -> str:
  if description.labels:
    return f"Tells {len(description.labels)} classes of images apart."
  return f"Gives {description.output or 'an output'} for an image."
