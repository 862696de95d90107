"""Records: what is read is checked, and written again as it stood."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from nadv2_tf.record import Record, plain


@dataclasses.dataclass(frozen=True)
class Point(Record):
  at: tuple[int, ...]
  value: float
  title: str | None


@dataclasses.dataclass(frozen=True)
class Curve(Record):
  points: tuple[Point, ...]
  ends: tuple[float, str] | None = None
  names: Mapping[str, Point] = dataclasses.field(default_factory=dict)
  label: int | str = ""
  is_smooth: bool = False
  more: Any = None


POINT = {"at": [1, 2], "value": 1.0, "title": "a"}


@pytest.mark.parametrize(
  "text",
  [
    '{"points": []}',
    '{"label": 3, "points": [{"value": 1, "at": [1, 2], "title": null}], "is_smooth": true}',
    '{"points": [], "new": {"of": [1.0, "tomorrow"]}, "ends": [1e-05, "x"], "more": [null]}',
    '{"names": {"b": {"at": [], "value": 0.1, "title": "t"}, "a": {"at": [7], "value": 2}}, '
    '"points": [], "ends": null, "label": "", "is_smooth": false}',
  ],
  ids=["least", "order", "unknown", "defaults and a missing title"],
)
def test_what_is_read_is_written_again_byte_for_byte(text):
  curve = Curve.from_json(json.loads(text), "a.json")
  assert json.dumps(curve.to_json()) == text
  assert Curve.from_json(curve.to_json(), "again") == curve


def test_a_record_made_here_has_the_order_of_its_fields():
  curve = Curve((Point((1, 2), 1.0, None),), is_smooth=True)
  text = '{"points": [{"at": [1, 2], "value": 1.0, "title": null}], "is_smooth": true}'
  assert json.dumps(curve.to_json()) == text
  assert Curve.from_json(json.loads(text), "a.json") == curve
  assert json.dumps(plain({"x": (curve,)})) == f'{{"x": [{text}]}}'


def test_an_update_keeps_the_order_and_puts_new_keys_last():
  curve = Curve.from_json({"new": 1, "label": 2, "points": []}, "a.json")
  later = curve.updated(more=None, names={"p": Point((), 0.0, "t")}, label="x")
  assert list(later.to_json()) == ["new", "label", "points", "more", "names"]
  assert later.label == "x" and later.names["p"].title == "t" and curve.label == 2
  with pytest.raises(ValueError, match="Curve: label must be a whole number or a text, got 1.5"):
    curve.updated(label=1.5)


@pytest.mark.parametrize(
  "value, words",
  [
    ([], "must be an object, got []"),
    ({}, "points is missing"),
    ({"points": 1}, "points must be a list, got 1"),
    ({"points": [POINT, POINT | {"value": "1"}]}, "points.2.value must be a number, got '1'"),
    ({"points": [POINT | {"value": True}]}, "points.1.value must be a number, got True"),
    ({"points": [POINT | {"value": 10**400}]}, "points.1.value must be a number, got 1000"),
    ({"points": [POINT | {"at": [1.0]}]}, "points.1.at.1 must be a whole number, got 1.0"),
    ({"points": [POINT | {"at": [True]}]}, "points.1.at.1 must be a whole number, got True"),
    ({"points": [POINT | {"title": 3}]}, "points.1.title must be a text or null, got 3"),
    ({"points": [{"at": []}]}, "points.1.value is missing"),
    ({"points": [], "ends": [1.0]}, "ends must be a list of 2, got [1.0]"),
    ({"points": [], "ends": ["1", "2"]}, "ends.1 must be a number, got '1'"),
    ({"points": [], "names": []}, "names must be an object, got []"),
    ({"points": [], "names": {"a b": None}}, "names.a b must be an object, got None"),
    ({"points": [], "is_smooth": 0}, "is_smooth must be true or false, got 0"),
  ],
)
def test_a_wrong_value_is_one_line_with_file_field_and_value(value, words):
  with pytest.raises(ValueError) as refusal:
    Curve.from_json(value, "a.json")
  text = str(refusal.value)
  assert text.removeprefix("a.json").removeprefix(":").strip().startswith(words)
  assert text.endswith(".") and "\n" not in text and len(text) < 200
