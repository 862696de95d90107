"""Specs as JSON text: there and back, and refusals that say what is wrong."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadv2_tf import backbones
from nadv2_tf.spec import NetworkSpec, Skip, serialization
from nadv2_tf.spec.blocks import KINDS, Conv, Upsample

# Derandomised: the same examples in every run, so a pass is no luck.
FIXED = settings(derandomize=True, deadline=None, max_examples=300)


@pytest.mark.parametrize("name", backbones.network_names())
def test_known_networks_there_and_back(name):
  spec = backbones.network(name)
  assert NetworkSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("name", list(backbones.BACKBONES))
def test_sampled_networks_there_and_back(name):
  space, rng = backbones.search_space(name), random.Random(0)
  for spec in [space.smallest(), *(space.sample(rng) for _ in range(10))]:
    assert NetworkSpec.from_json(spec.to_json()) == spec


def test_names_are_any_text():
  spec = NetworkSpec('a "name"\n\u4e2d\u6587 \U0001f4f1', (8, 8, 3), (Conv(4),))
  text = spec.to_json()
  assert text.isascii() and NetworkSpec.from_json(text) == spec


def test_the_text_is_json_with_format_and_version_and_one_block_a_line():
  spec = NetworkSpec("tiny", (8, 8, 3), (Conv(4), Upsample(2), Conv(4, 3, 2)), (Skip(0, 2),))
  data = json.loads(spec.to_json())
  assert (data["format"], data["version"]) == ("nadv2_tf.network", 1)
  assert [block["kind"] for block in data["blocks"]] == ["conv", "upsample", "conv"]
  assert data["skips"] == [{"source": 0, "target": 2}]
  lines = spec.to_json().splitlines()
  assert sum('"kind"' in line for line in lines) == len(spec.blocks)


def test_defaults_may_be_left_out():
  data = {**_data(), "blocks": [{"kind": "conv", "filters": 4}]}
  del data["skips"]
  assert NetworkSpec.from_json(json.dumps(data)) == NetworkSpec("tiny", (8, 8, 3), (Conv(4),))


def _data():
  """A small valid spec as JSON data."""
  return {
    "format": "nadv2_tf.network",
    "version": 1,
    "name": "tiny",
    "input_shape": [8, 8, 3],
    "blocks": [
      {"kind": "conv", "filters": 4, "kernel": 3, "stride": 2},
      {
        "kind": "inverted_residual",
        "expansion": 8,
        "depthwise": 8,
        "projection": 4,
        "squeeze": 2,
      },
      {"kind": "upsample", "factor": 2},
      {"kind": "depthwise_separable", "depthwise": 4, "pointwise": 4, "stride": 2},
      {"kind": "head", "classes": 10, "hidden": 8, "dropout": 0.1},
    ],
    "skips": [{"source": 1, "target": 3}],
  }


def _other_data():
  """As small, with the kinds that networks of other people need."""
  return {
    "format": "nadv2_tf.network",
    "version": 1,
    "name": "other",
    "input_shape": [8, 8, 3],
    "blocks": [
      {"kind": "rescale", "scale": [0.5, 1, 2], "offset": [-1, 0, 0.25]},
      {"kind": "conv", "filters": 4, "kernel": 2, "padding": [0, 1], "batch_norm": False},
      {"kind": "norm", "activation": "relu6"},
      {"kind": "pool", "form": "max", "size": 3, "stride": 2, "padding": [1, 1]},
      {"kind": "depthwise", "depthwise": 4, "activation": "swish", "batch_norm": False},
      {"kind": "universal_bottleneck", "projection": 4, "start": 4, "expansion": 8, "squeeze": 2},
      {"kind": "residual", "first": 4, "second": 4, "shortcut": 4, "second_padding": [1, 1]},
      {"kind": "conv", "filters": 4, "activation": "linear"},
      {"kind": "activation", "activation": "relu"},
      {"kind": "global_pool"},
      {"kind": "head", "classes": 10},
    ],
    "skips": [{"source": 6, "target": 7}],
  }


def test_the_small_specs_are_valid_and_have_every_kind():
  specs = [NetworkSpec.from_json(json.dumps(data)) for data in (_data(), _other_data())]
  assert {block.kind for spec in specs for block in spec.blocks} == set(KINDS)
  for spec in specs:
    assert NetworkSpec.from_json(spec.to_json()) == spec


def test_fields_that_came_later_are_written_only_where_they_say_something():
  spec = NetworkSpec("tiny", (8, 8, 3), (Conv(4), Conv(4, padding=(0, 1))))
  plain, padded = json.loads(spec.to_json())["blocks"]
  assert set(plain) == {"kind", "filters", "kernel", "stride", "activation", "bypass_cap"}
  assert padded == {**plain, "padding": [0, 1]}


REMOVE = object()

# Where the small spec is changed, to what, and what the message must say: which field, what is
# allowed, what was found.
REFUSED = (
  (("format",), "other.network", r"\"format\" must be 'nadv2_tf.network', got 'other.network'"),
  (("format",), REMOVE, r"\"format\" must be 'nadv2_tf.network', got None"),
  (("version",), 2, r'"version" must be 1, got 2'),
  (("version",), "1", r"\"version\" must be 1, got '1'"),
  (("version",), REMOVE, r'"version" must be 1, got None'),
  (("colour",), "red", r"Unknown field 'colour' in the spec. Allowed: blocks, format, input_sh"),
  (("name",), REMOVE, r'"name" must be a text, got None'),
  (("name",), 3, r'"name" must be a text, got 3'),
  (("input_shape",), "8x8x3", r"\"input_shape\" must be a list, got '8x8x3'"),
  (("input_shape",), [8, 8], r"\(height, width, channels\), got \(8, 8\)"),
  (("input_shape", 0), 8.5, r"height must be an integer from 1 to 65536, got 8\.5"),
  (("input_shape", 2), -3, r"channels must be an integer from 1 to 65536, got -3"),
  (("blocks",), REMOVE, r'"blocks" must be a list, got None'),
  (("blocks",), [], r"blocks must not be empty"),
  (("blocks", 1), 7, r"'block 2' must be an object, got 7"),
  (("blocks", 1, "kind"), "dense", r"Block 2: Unknown block kind 'dense'. Known: activation, c"),
  (("blocks", 1, "kind"), REMOVE, r"Block 2: Unknown block kind None. Known: activation, conv,"),
  (("blocks", 1, "kind"), ["conv"], r"Block 2: Unknown block kind \['conv'\]. Known: activ"),
  (("blocks", 1, "groups"), 2, r"Block 2: Unknown field 'groups' in block 2. Allowed: activa"),
  (("blocks", 1, "depthwise"), REMOVE, r"Block 2: Field 'depthwise' is missing"),
  (("blocks", 1, "depthwise"), -1, r"Block 2: depthwise must be an integer from 0 to 65536, got"),
  (("blocks", 1, "depthwise"), "8", r"Block 2: depthwise must be an integer .* got '8'"),
  (("blocks", 1, "squeeze"), 0, r"Block 2: squeeze must be an integer from 1 to 65536, got 0"),
  (("blocks", 0, "kernel"), 4, r"Block 1: kernel must be odd, got 4"),
  (("blocks", 0, "stride"), 3, r"Block 1: stride must be one of 1, 2; got 3"),
  (("blocks", 0, "activation"), "gelu", r"Block 1: activation must be one of 'linear', 'relu'"),
  (("blocks", 1, "residual"), "no", r"Block 2: residual must be one of True, False; got 'no'"),
  (("blocks", 4, "dropout"), 2, r"Block 5: dropout must be a number from 0 to below 1, got 2"),
  (("skips",), {"source": 0}, r"\"skips\" must be a list, got \{'source': 0\}"),
  (("skips", 0), [0, 1], r'Skip 1 must have the fields "source" and "target", got \[0, 1\]'),
  (("skips", 0, "source"), REMOVE, r'Skip 1 must have the fields "source" and "target"'),
  (("skips", 0, "source"), "0", r"Skip 1: source must be an integer, got '0'"),
  (("skips", 0, "target"), 9, r"forward between blocks 0 and 4, got .*target=9"),
)


def _changed(data, path, value):
  """`data` with the value at `path` replaced, added or, for REMOVE, taken out."""
  *parents, last = path
  place = data
  for key in parents:
    place = place[key]
  if value is REMOVE:
    del place[last]
  else:
    place[last] = value
  return data


@pytest.mark.parametrize(
  ("path", "value", "message"), REFUSED, ids=[f"{row[0]}-{row[2][:25]}" for row in REFUSED]
)
def test_a_refusal_names_the_field_and_what_is_allowed(path, value, message):
  text = json.dumps(_changed(_data(), path, value))
  with pytest.raises(ValueError, match=message) as refusal:
    NetworkSpec.from_json(text)
  assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("", "the text is not JSON"),
    ('{"format": ', "the text is not JSON"),
    ("[" * 100_000, "the text is not JSON"),
    ("[1, 2]", "\"format\" must be 'nadv2_tf.network', got 'list'"),
    ("null", "\"format\" must be 'nadv2_tf.network', got 'NoneType'"),
    ("9" * 5000, "5000 digits"),
  ],
  ids=["empty", "torn", "deep", "list", "null", "digits"],
)
def test_other_texts_are_refused(text, message):
  with pytest.raises(ValueError, match=message):
    NetworkSpec.from_json(text)


def test_a_text_that_is_too_large_is_not_parsed():
  spec = NetworkSpec("large", (8, 8, 3), (Conv(4),))
  room = serialization.LARGEST_TEXT - len(spec.to_json())
  assert NetworkSpec.from_json(spec.to_json() + " " * room) == spec
  with pytest.raises(ValueError, match=f"at most {serialization.LARGEST_TEXT} characters, got"):
    NetworkSpec.from_json(spec.to_json() + " " * (room + 1))


JSON_VALUES = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
  lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
  max_leaves=8,
)


def _read_or_refuse(text):
  """What `from_json` gives, or None if it raises ValueError; anything else fails the test."""
  try:
    return NetworkSpec.from_json(text)
  except ValueError:
    return None


@FIXED
@given(JSON_VALUES)
def test_random_json_raises_nothing_but_value_errors(value):
  assert _read_or_refuse(json.dumps(value)) is None


@FIXED
@given(st.text())
def test_random_text_raises_nothing_but_value_errors(text):
  assert _read_or_refuse(text) is None


def _places(data, path=()):
  """Every path into nested JSON data."""
  if path:
    yield path
  if isinstance(data, (dict, list)):
    for key in data if isinstance(data, dict) else range(len(data)):
      yield from _places(data[key], (*path, key))


@FIXED
@given(
  st.sampled_from([(data, path) for data in (_data, _other_data) for path in _places(data())]),
  JSON_VALUES | st.just(REMOVE),
)
def test_a_valid_spec_with_one_random_value_loads_or_raises_value_error(place, value):
  data, path = place
  spec = _read_or_refuse(json.dumps(_changed(data(), path, value)))
  if spec is not None:
    assert NetworkSpec.from_json(spec.to_json()) == spec
