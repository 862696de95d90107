"""The drawing of a network, and its table of layers."""

import pytest

from nadv2_tf.pipeline.report import drawing
from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import Conv


def bars(root):
  """[(y, width, filled)] of the bars and their outlines."""
  return [
    (float(bar.get("y")), float(bar.get("width")), bar.get("fill") != "none")
    for bar in root.iter("rect")
  ]


def texts(root):
  return ["".join(text.itertext()) for text in root.iter("text")]


def test_every_layer_says_what_was_kept(parse, found, largest):
  written = texts(parse(drawing.draw(found, largest)))
  for words in (
    "filters 6 of 8",
    "depthwise 8 of 8",
    "pointwise 12 of 16",
    "depthwise removed (of 16)",
    "pointwise removed (of 16)",
    "1 conv",
    "4 head",
    "3x3 of 5x",
    "3x3, stride 2",
    "removed",
  ):
    assert words in written, words


def test_bars_go_with_the_square_root_of_the_width(parse, found, largest):
  root = parse(drawing.draw(found, largest))
  drawn = bars(root)
  # The widest layer has 16 filters, and its bar the whole length; the first kept 6 of 8.
  assert drawn[0][1:] == (pytest.approx(drawing.BARS * (8 / 16) ** 0.5, abs=0.06), False)
  assert drawn[1][1:] == (pytest.approx(drawing.BARS * (6 / 16) ** 0.5, abs=0.06), True)
  assert max(width for _, width, _ in drawn) == drawing.BARS
  # Five layers, two of which were removed and have an outline alone, in dashes.
  assert sum(filled for *_, filled in drawn) == 3 and len(drawn) == 8
  dashed = [bar for bar in root.iter("rect") if bar.get("stroke-dasharray") == "3 3"]
  assert len(dashed) == 2


def test_blocks_stand_below_each_other_inside_the_picture(parse, found, largest):
  root = parse(drawing.draw(found, largest))
  (picture,) = root.iter("svg")
  height = float(picture.get("viewBox").split()[3])
  rows = [y for y, *_ in bars(root)]
  assert rows == sorted(rows) and rows[-1] + drawing.ROW < height
  assert picture.get("aria-label").startswith("The found network: 4 blocks")


def test_a_skip_is_an_arc_that_names_its_ends(parse):
  blocks = (Conv(4, 3, 1), Conv(4, 3, 1), Conv(4, 3, 1))
  spec = NetworkSpec("skip", (8, 8, 1), blocks, (Skip(0, 2),))
  (arc,) = parse(drawing.draw(spec, spec)).iter("path")
  assert arc.find("title").text == "block 1 is added to block 3"
