"""Charts: every point inside the axes, axes that end on round numbers, names as text."""

import pytest

from nadv2_tf.pipeline.report import charts

RIGHT, BOTTOM = charts.WIDTH - charts.RIGHT, charts.HEIGHT - charts.BOTTOM


@pytest.mark.parametrize(
  ("low", "high", "expected"),
  [
    (0, 10, [0, 2, 4, 6, 8, 10]),
    (0.3, 9.7, [0, 2, 4, 6, 8, 10]),
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    (-3, 9, [-5, -2.5, 0, 2.5, 5, 7.5, 10]),
    (1e6, 2e6, [1e6, 1.2e6, 1.4e6, 1.6e6, 1.8e6, 2e6]),
  ],
)
def test_ticks_are_round_and_hold_the_range(low, high, expected):
  assert charts.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0, 1e-9, 3e9])
def test_a_range_of_one_value_is_opened(value):
  marks = charts.ticks(value, value)
  assert marks[0] < value < marks[-1] and 4 <= len(marks) <= 8


@pytest.mark.parametrize("low", [-7.3, 0.0, 0.013, 812.0])
@pytest.mark.parametrize("span", [1e-3, 0.7, 3.0, 4.1e5])
def test_a_few_ticks_whatever_the_range(low, span):
  marks = charts.ticks(low, low + span)
  step = marks[1] - marks[0]
  assert marks[0] <= low + 1e-6 * step and marks[-1] >= low + span - 1e-6 * step
  assert marks[0] > low - step and marks[-1] < low + span + step
  assert 3 <= len(marks) <= 8


def points_of(line):
  return [tuple(map(float, place.split(","))) for place in line.get("points").split()]


def test_lines_go_from_corner_to_corner(parse):
  """From 0 to 10 both ways: the first point lies at the origin, the last in the corner above."""
  root = parse(charts.chart({"a": [(0, 0), (5, 2.5), (10, 10)]}, "x (s)", "y (ms)", "words"))
  (line,) = root.iter("polyline")
  across, up = (charts.LEFT + RIGHT) / 2, BOTTOM + (charts.TOP - BOTTOM) / 4
  expected = [(charts.LEFT, BOTTOM), (across, up), (RIGHT, charts.TOP)]
  assert [place for point in points_of(line) for place in point] == pytest.approx(
    [place for point in expected for place in point], abs=0.06
  )  # written with one digit


def test_axes_have_their_titles_and_numbers(parse):
  root = parse(charts.chart({"a": [(0, 1000), (1, 2000)]}, "x (s)", "y (ms)", "words"))
  texts = [text.text for text in root.iter("text")]
  assert texts[:6] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
  assert texts[6:12] == ["1000", "1200", "1400", "1600", "1800", "2000"]
  assert texts[12:] == ["x (s)", "y (ms)"]


def test_names_and_words_are_escaped(parse):
  name = '<script> & "more"'
  root = parse(charts.chart({name: [(0, 0)]}, "x < 1", "y & z", name))
  (picture,) = root.iter("svg")
  assert picture.get("aria-label") == picture.find("title").text == name
  assert [entry.text or "".join(entry.itertext()) for entry in root.iter("span")] == [name]
  assert {"x < 1", "y & z"} <= {text.text for text in root.iter("text")}


def test_points_on_a_diagonal_of_one_scale(parse):
  """On both axes the range is that of all values, so that the diagonal means equal."""
  root = parse(charts.chart({"a": [(2, 4), (3, 8)]}, "x", "y", "words", diagonal=True, points=True))
  assert not list(root.iter("polyline"))
  circles = [(float(one.get("cx")), float(one.get("cy"))) for one in root.iter("circle")]
  (diagonal,) = [line for line in root.iter("line") if line.get("stroke-dasharray")]
  ends = [float(diagonal.get(name)) for name in ("x1", "y1", "x2", "y2")]
  assert ends == pytest.approx([charts.LEFT, BOTTOM, RIGHT, charts.TOP])
  assert len(circles) == 2
  for x, y in circles:  # both lie above it
    on_it = BOTTOM + (x - charts.LEFT) / (RIGHT - charts.LEFT) * (charts.TOP - BOTTOM)
    assert y < on_it


def test_more_series_than_colours(parse):
  series = {f"line {number}": [(0, 0), (1, number)] for number in range(len(charts.COLOURS) + 1)}
  root = parse(charts.chart(series, "x", "y", "words"))
  lines, names = list(root.iter("polyline")), list(root.iter("span"))
  assert len(lines) == len(names) == len(series)
  colours = [line.get("stroke") for line in lines]
  assert colours == [*charts.COLOURS, charts.COLOURS[0]]
  assert [f"background:{colour}" for colour in colours] == [
    name.find("i").get("style") for name in names
  ]
