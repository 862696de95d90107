"""Metadata: written, read back, refused where damaged, and equal to what tflite-support wrote."""

import json
import pathlib

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as litert

from nadv2_tf.export import metadata, metadata_file
from nadv2_tf.export import metadata_schema as schema
from nadv2_tf.export.metadata_flatbuffer import decode, encode
from nadv2_tf.export.quantization import Quantization, convert
from nadv2_tf.export.tflite import concrete_function, predictor

DESCRIPTION = metadata.Description(
  name="tiny", version="7", author="A. Nother", licence="MIT", labels=("ant", "bee", "cow")
)
#: bytes that tflite-support wrote and what its reader gave for them; made by test_tflite_support.py
RECORDED = pathlib.Path(__file__).parent / "recorded_metadata.json"
IDENTIFIED = (schema.METADATA, schema.METADATA_IDENTIFIER)


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
  with pytest.raises(ValueError, match="The TFLite file has no metadata"):
    metadata.read(plain)


@pytest.mark.parametrize("integer", [False, True])
def test_the_network_is_the_same_and_every_buffer_is_aligned(network, examples, integer):
  images = examples.inputs()[:32]
  quantization = Quantization("int8", images, integer_io=True) if integer else None
  content = convert(concrete_function(network), quantization)
  made = metadata.described(content, DESCRIPTION)
  np.testing.assert_array_equal(predictor(made)(images), predictor(content)(images))
  before, after = (litert.Model.GetRootAs(file, 0) for file in (content, made))
  assert after.BuffersLength() == before.BuffersLength() + 1
  with_data = 0
  for number in range(before.BuffersLength()):
    old, new = before.Buffers(number), after.Buffers(number)
    assert old.DataLength() == new.DataLength()
    if new.DataLength():
      np.testing.assert_array_equal(old.DataAsNumpy(), new.DataAsNumpy())
      place = new._tab.Vector(new._tab.Offset(4))  # data is the first field
      assert place % 16 == 0
      with_data += 1
  assert with_data > 5
  (image,) = metadata.read(made)["subgraph_metadata"][0]["input_tensor_metadata"]
  assert image["stats"] == ({} if integer else {"max": [1.0], "min": [-1.0]})


def test_metadata_replaces_what_was_there(plain):
  other = metadata.Description("other", labels=("x", "y", "z"))
  assert metadata.described(metadata.described(plain, other), DESCRIPTION) == metadata.described(
    plain, DESCRIPTION
  )


# --- what tflite-support wrote


@pytest.mark.parametrize("name", ["classifier", "depth_int8"])
def test_it_equals_field_by_field_what_tflite_support_wrote(network, plain, examples, name):
  recorded = json.loads(RECORDED.read_text())[name]
  said = recorded["read"]
  assert decode(bytes.fromhex("".join(recorded["bytes"])), *IDENTIFIED) == said
  content, description = plain, DESCRIPTION
  if name == "depth_int8":
    quantization = Quantization("int8", examples.inputs()[:32], integer_io=True)
    content = convert(concrete_function(network), quantization)
    description = metadata.Description("depth", output="depth in metres")
  assert metadata.document(content, description) == said
  assert metadata.read(metadata.described(content, description)) == said


def test_every_table_can_be_written_and_read():
  """Each has its fields once, with a value that is not the default."""
  values = {"string": "a", "int": -3, "uint": 4_000_000_000, "ubyte": 200, "float": 0.5}

  def value_of(kind, member):
    if kind.startswith("["):
      return [value_of(kind[1:-1], member)] * 2
    if kind in schema.ENUMERATIONS:
      return schema.ENUMERATIONS[kind][-1]
    return values[kind] if kind in values else table(kind, member)

  def table(name, member):
    made = {}
    for field, kind in schema.TABLES[name]:
      if kind.startswith("type of "):
        names = schema.UNIONS[kind.removeprefix("type of ")]
        made[field] = names[min(member, len(names) - 1)]
      elif kind in schema.UNIONS:
        made[field] = value_of(made[f"{field}_type"], member)
      else:
        made[field] = value_of(kind, member)
    return made

  for member in range(1, 7):
    said = table(schema.METADATA, member)
    assert decode(encode(said, *IDENTIFIED), *IDENTIFIED) == said


def test_what_the_schema_has_not_is_not_written():
  with pytest.raises(ValueError, match="Stats has no field 'mean'; it has: max, min"):
    encode({"mean": [1.0]}, "Stats", b"M001")
  with pytest.raises(ValueError, match="ColorSpaceType is one of UNKNOWN, RGB, GRAYSCALE, got 'R"):
    encode({"color_space": "RED"}, "ImageProperties", b"M001")


# --- damaged files


def test_a_file_cut_anywhere_is_refused_or_read_whole(plain):
  content = metadata.described(plain, DESCRIPTION)
  said, refused = metadata.read(content), {metadata.read: 0, metadata.read_labels: 0}
  for size in range(len(content)):
    for read, whole in ((metadata.read, said), (metadata.read_labels, list(DESCRIPTION.labels))):
      try:
        assert read(content[:size]) == whole
      except ValueError as error:
        assert "TFLite file" in str(error) and "\n" not in str(error)
        refused[read] += 1
  # The archive ends the file, so that its labels are there only with the last byte.
  assert refused[metadata.read_labels] == len(content) and refused[metadata.read] > 500


def test_a_changed_byte_is_refused_or_gives_a_dictionary(plain):
  content = metadata.described(plain, DESCRIPTION)
  rng, inside = np.random.default_rng(5), metadata_file.metadata_of(content)
  start, archive = content.index(inside), content.index(b"PK\3\4")
  # All of what is ours, and of the rest some.
  ours = {*range(40), *range(start, start + len(inside)), *range(archive, len(content))}
  for place in sorted(ours | {*range(0, len(content), 11)}):
    changed = bytearray(content)
    changed[place] ^= int(rng.integers(1, 256))
    try:
      assert isinstance(metadata.read(bytes(changed)), dict)
      assert metadata.read_labels(bytes(changed)) == list(DESCRIPTION.labels)
    except ValueError as error:
      assert "TFLite file" in str(error) and "\n" not in str(error)


def test_a_small_file_that_would_fill_the_memory_is_refused():
  """300 graphs of 300 tensors that are all the same one: 90 million letters from 4 kB."""
  builder = flatbuffers.Builder(0)
  place = builder.CreateString("x" * 1000)
  for number, fields in ((0, 7), (2, 10), (3, 8)):  # name, input_tensor_metadata, subgraph_metadata
    builder.StartObject(fields)
    builder.PrependUOffsetTRelativeSlot(number, place, 0)
    place = builder.EndObject()
    if fields != 8:
      builder.StartVector(4, 300, 4)
      for _ in range(300):
        builder.PrependUOffsetTRelative(place)
      place = builder.EndVector()
  builder.Finish(place, b"M001")
  assert len(builder.Output()) < 4000
  with pytest.raises(ValueError, match="points to the same bytes over and over"):
    decode(bytes(builder.Output()), *IDENTIFIED)


def test_labels_that_are_compressed_or_missing_are_refused(plain):
  content = metadata.described(plain, DESCRIPTION)
  with pytest.raises(ValueError, match=r"Cannot read labels\.txt in the TFLite file: .*not a zip"):
    metadata.read_labels(content[: content.index(b"PK\3\4")])
  changed = bytearray(content)
  changed[content.rindex(b"PK\1\2") + 10] = 8  # the method in the directory: deflated
  with pytest.raises(ValueError, match=r"labels\.txt in the TFLite file: it is compressed"):
    metadata_file.file_of(bytes(changed), metadata.LABEL_FILE)


def _normalised(plain, means, stds):
  """A file whose metadata say that they normalise so."""
  said = metadata.document(plain, DESCRIPTION)
  tensor = said["subgraph_metadata"][0]["input_tensor_metadata"][0]
  tensor["process_units"][0]["options"] = {"mean": means, "std": stds}
  return metadata_file.with_metadata(plain, encode(said, *IDENTIFIED), {})


def test_channels_of_different_ranges_are_refused(plain):
  assert metadata.input_range(_normalised(plain, [0.0] * 3, [255.0] * 3)) == (0, 1)
  message = r"normalises each channel in a way of its own \(mean \[123.5, 116.5, 103.5\]"
  with pytest.raises(ValueError, match=message):
    metadata.input_range(_normalised(plain, [123.5, 116.5, 103.5], [57.5]))


@pytest.mark.parametrize(
  ("dtype", "scale", "zero_point", "expected"),
  [
    (np.uint8, 0.0, 0, (0, 255)),  # not quantized: bytes
    (np.uint8, 1 / 255, 0, (0, 1)),
    (np.int8, 2 / 255, -1, (-254 / 255, 256 / 255)),
    (np.float32, 0.0, 0, (-1, 1)),
  ],
)
def test_integers_take_what_they_hold(plain, dtype, scale, zero_point, expected):
  details = {"dtype": dtype, "quantization": (scale, zero_point)}
  assert metadata.input_range(plain, details) == pytest.approx(expected)
  # What the file says counts where integers can hold it: these are for -1 to 1.
  said = metadata.input_range(_normalised(plain, [127.5], [127.5]), details)
  assert said == pytest.approx((-1, 1) if expected[0] < 0 else expected)
