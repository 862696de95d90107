"""The study of removed layers: which networks it scores, and its table by hand."""

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies import removals


def test_every_layer_that_can_be_removed_is():
  space = backbones.search_space("mobilenet_v3_demo")
  largest, pairs = space.largest(), removals.pairs_of(space)
  removable = [one for one in space.decisions if one.kind == "width" and one.choices[0] == 0]
  assert [pair.name for pair in pairs] == [one.name for one in removable] and len(pairs) > 30
  whole = space.encode(largest)
  # Of a layer that is gone the kernel size says nothing.
  widths = [column for column, one in enumerate(space.decisions) if one.kind == "width"]
  for pair, decision in zip(pairs, removable, strict=True):
    own = space.decisions.index(decision)
    for spec, width in ((pair.smallest, decision.choices[1]), (pair.removed, 0)):
      row = space.encode(spec)
      assert row[own] == width, pair.name
      assert [column for column in widths if row[column] != whole[column]] == [own], pair.name


def test_the_table():
  layers = {"a": (0.8, 0.75), "b": (0.8, 0.5), "c": (0.7, 0.71), "d": (0.8, 0.69)}
  found = {"0": {"full": 0.85, "layers": layers, "seconds": 0.1}}
  head, _, title, _, *rows = removals.lines(found, 400)
  assert "400 images" in head and "error of 2.5" in head
  assert "0 epochs" in title and "85.00%" in title and "2 of 4 layers" in title
  assert [row.split() for row in rows] == [
    ["b", "80.00%", "50.00%", "30.0"],
    ["d", "80.00%", "69.00%", "11.0"],
    ["a", "80.00%", "75.00%", "5.0"],
    ["c", "70.00%", "71.00%", "-1.0"],
  ]
