"""The page of coverage names every network of keras.applications, and says what is so."""

import pathlib

import pytest

from nadv2_tf.benchmarks.studies import coverage

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference" / "coverage.md"
UNDERSTOOD = (
  *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "VGG16", "ResNet50"),
  *("EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3"),
)


def rows_of_page():
  """{network with its settings: the other columns} of the page."""
  lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
  cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines[1:]]
  return {title: rest for title, *rest in cells}


def test_every_network_has_a_row():
  rows = rows_of_page()
  names = {title.split("(")[0] for title in rows}
  assert names == set(coverage.applications())
  for name in UNDERSTOOD:
    found = [rest[1] for title, rest in rows.items() if title.split("(")[0] == name]
    assert found and all(text.startswith("yes, ") for text in found), name
  for title, (_, understood, *_) in rows.items():
    is_read = understood.startswith("yes, ") and float(understood.split()[1]) <= 1e-5
    assert is_read or (understood.startswith("no: ") and " has no place: " in understood), title


@pytest.mark.parametrize(
  ("name", "settings"),
  [("MobileNet", {"alpha": 0.25}), ("MobileNetV3Small", {"alpha": 0.5}), ("ConvNeXtTiny", {})],
)
def test_a_row_is_what_comes_of_the_network(name, settings):
  row = coverage.row(name, coverage.applications()[name], settings)
  images, understood, macs, blocks = rows_of_page()[row.name]
  assert (row.images, row.macs, row.blocks) == (images, macs, blocks)
  # The difference itself is rounding, which another processor has otherwise.
  assert row.understood.split(",")[0] == understood.split(",")[0]
