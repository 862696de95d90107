"""The page: parsed, every section for what is there, none for what is not, nothing unescaped."""

import base64
import html.parser

import pytest
from report_figures import overview, reports

from nadv2_tf.pipeline.report import page

SETTINGS = {
  "network": {"backbone": "net", "data": "npz:a b.npz", "seed": 0, "task_settings": {"classes": 3}},
  "search": {"metric": "macs", "target": "50%", "limit": "", "benchmark_url": None},
}
VOID = {"meta", "img", "br"}


class Reader(html.parser.HTMLParser):
  """Elements of a page.

  Attributes:
    titles: texts of its h1, h2 and h3.
    tables: [[texts of the cells of a row]] of each table.
    tags, attributes: names of all elements, and {name: value} of each.
    text: all of its text.
  """

  def __init__(self, text):
    super().__init__()
    self.titles, self.tables, self.tags, self.attributes, self.text = [], [], [], [], ""
    self._open = []
    self.feed(text)
    self.close()
    assert not self._open, f"{self._open} are not closed"

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes.append(dict(attrs))
    if tag not in VOID:
      self._open.append(tag)
    if tag == "table":
      self.tables.append([])
    elif tag == "tr":
      self.tables[-1].append([])
    elif tag in ("td", "th"):
      self.tables[-1][-1].append("")
    elif tag in ("h1", "h2", "h3"):
      self.titles.append("")

  def handle_startendtag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes.append(dict(attrs))

  def handle_endtag(self, tag):
    assert self._open.pop() == tag, f"</{tag}> closes nothing"

  def handle_data(self, data):
    self.text += data
    if self._open and self._open[-1] in ("td", "th"):
      self.tables[-1][-1][-1] += data
    elif self._open and self._open[-1] in ("h1", "h2", "h3"):
      self.titles[-1] += data

  def table_of(self, first_cell):
    """Rows of the table that has a row beginning so."""
    return next(table for table in self.tables if any(row[0] == first_cell for row in table))


@pytest.fixture
def render(largest, found):
  """Function (metrics, titles=("",), settings, **parts) -> the page, read."""

  def render_page(metrics, titles=("",), settings=SETTINGS, **parts):
    networks = [(title, found) for title in titles]
    return Reader(page.render(overview(metrics), settings, networks, largest, b"picture", **parts))

  return render_page


def test_a_run_of_few_stages_has_few_sections(render, metrics):
  read = render(metrics)
  assert read.titles == [
    "NetAdaptV2 run",
    "The found network beside the initial one",
    "Everything needed to repeat it",
  ]
  (image,) = [a for tag, a in zip(read.tags, read.attributes, strict=True) if tag == "img"]
  assert image["src"] == "data:image/png;base64," + base64.b64encode(b"picture").decode()
  assert image["alt"].startswith("Accuracy over macs")
  header, full, found = read.table_of("found network")
  assert found[header.index("parameters")] == "1,234,567" and full[0] == "full network"
  assert found[header.index("latency")] == "1.235 ms"


def test_a_page_begins_with_what_is_not_to_be_trusted(render, metrics):
  text = render(metrics | {"table_doubt": "The table is off."}).text
  assert text.index("The table is off.") < text.index("macs: target")
  metrics["networks"]["found"] |= {
    "outputs": {"unchecked": "This build cannot."},
    "timing": {"delegate": "npu", "nodes": 8, "delegate_nodes": 3, "partitions": 4},
  }
  text = render(metrics).text
  for told in ("not checked: This build cannot.", "npu executes only 3 of 8 nodes"):
    assert text.index(told) < text.index("macs: target")


def test_a_run_without_networks_says_so(render, metrics):
  read = render(metrics | {"networks": {}})
  assert "No network has been trained yet." in read.text


def test_nothing_of_a_run_can_break_out_of_the_page(render, metrics):
  evil = "</p><script>alert('&')</script>"
  metrics["quality"] = metrics["metric"]["unit"] = metrics["metric"]["name"] = evil
  metrics["networks"][evil] = {}
  metrics["versions"] = {"nadv2_tf": evil}
  log = reports((10, 1.0, 0.5))
  settings = {"network": {"data": f"npz:{evil}"}}
  read = render(
    metrics, (evil,), settings, examples=[(evil, b"maps")], logs={evil: log},
    stages={evil: {"rest": [1.0, 1.0]}},
  )  # fmt: skip
  assert "script" not in read.tags
  assert any(evil in title for title in read.titles) and read.text.count(evil) >= 6


def test_every_target_has_its_drawing(render, targets):
  read = render(targets, ("target 70%", "target 40%"))
  found = [title for title in read.titles if "beside the initial one" in title]
  assert found == [
    f"The found network, target {share}%, beside the initial one" for share in (70, 40)
  ]
  assert read.tags.count("svg") == 2
  assert read.text.count("not measured") == 2


def test_removed_layers_are_marked(render, metrics):
  rows = [a for a in render(metrics).attributes if a.get("class") == "removed"]
  assert len(rows) == 2  # both layers of the third block


def test_a_target_that_took_two_rounds_says_how_far_each_landed(render, metrics):
  metrics["metric"] |= {"target": 10.0, "unit": "ms"}
  metrics["rounds"] = [
    {"round": 1, "target": 10.0, "predicted": 9.0, "measured": 11.0},
    {"round": 2, "target": 9.0, "predicted": 8.5, "measured": 10.5, "doubt": "busy"},
  ]
  read = render(metrics)
  assert "Rounds of the search" in read.titles
  header, first, second = read.table_of("target (ms)")
  assert header[-1] == "to the target"
  assert first == ["10", "1", "10", "9", "11", "+10.0%"]
  assert second == ["10", "2", "9", "8.5", "10.5 (unsteady)", "+5.0%"]  # never reached
  assert "Rounds of the search" not in render(metrics | {"rounds": metrics["rounds"][:1]}).titles


def test_predictions_stand_beside_measurements(render, metrics):
  metrics["confirmed"] = [
    {"iteration": 5, "predicted": 8.0, "measured": 8.8},
    {"iteration": "found", "predicted": 4.0, "measured": 3.0},
    {"iteration": "target_40pct/found", "predicted": 2.0, "measured": 2.0, "doubt": "busy"},
  ]
  read = render(metrics)
  rows = read.table_of("best of iteration 5")[1:]
  assert [row[0] for row in rows] == [
    "best of iteration 5", "found network", "found network, target 40%",
  ]  # fmt: skip
  assert [row[-1] for row in rows] == ["+10.0%", "-25.0%", "+0.0%"]
  assert [row[-2] for row in rows] == ["8.8", "3", "2 (unsteady)"]
  assert read.tags.count("circle") == 3


def test_exported_files_are_compared(render, metrics):
  record = {
    "test_accuracy": 0.875, "accuracy_lost": -0.123, "top_1_agreement": 0.9876,
    "largest_difference": 0.01234, "size_bytes": 123456, "peak_memory_bytes": 4096,
    "fallback": {"MEAN": 2},
  }  # fmt: skip
  unknown = record | {"accuracy_lost": None, "top_1_agreement": None, "fallback": {}}
  metrics["networks"]["found"]["exports"] = {"none": unknown, "int8": record}
  read = render(metrics)
  _, plain, int8 = read.table_of("found network, int8")
  assert int8[1:] == ["87.50%", "-0.12", "98.8%", "0.012", "123,456", "4,096", "2 MEAN"]
  assert plain[0] == "found network, float32" and plain[2:4] == ["-", "-"] and plain[-1] == "none"


def test_trainings_that_left_a_log_have_curves(render, metrics):
  log = reports((1000, 2.5, 0.1), (2000, 1.25, 0.6))
  read = render(metrics, logs={"super-network": log, "fine-tuning": []})
  assert "super-network" in read.titles and "fine-tuning" not in read.titles
  labels = [a["aria-label"] for a in read.attributes if "aria-label" in a]
  assert "loss of super-network over its training: from 2.5 to 1.25." in labels
  assert "accuracy (%) of super-network over its training: from 10 to 60." in labels
  assert "Training" not in render(metrics, logs={"fine-tuning": []}).titles


def test_stages_add_up(render, metrics):
  stages = {"train": {"rest": [1.0, 2.0], "steps": [3.0, 5.0]}, "search": {"rest": [0.5, 0.5]}}
  read = render(metrics, stages=stages)
  rows = {row[0]: row for row in read.table_of("train")}
  assert rows["train"][1:3] == ["4.0", "7.0"] and rows["all"][1:3] == ["4.5", "7.5"]


def test_test_images_are_shown_with_the_network_they_are_of(render, metrics):
  read = render(metrics, examples=[("found", b"maps")])
  assert "Test images, found network" in read.titles
  assert base64.b64encode(b"maps").decode() in [
    a.get("src", "").rpartition(",")[2] for a in read.attributes
  ]


def test_the_command_can_be_given_to_a_shell(render, metrics):
  text = render(metrics).text
  for flag in ("--backbone=net", "--data='npz:a b.npz'", "--classes=3", "--target=50%"):
    assert f"  {flag} \\\n" in text, flag
  assert "--limit" not in text and "--benchmark_url" not in text and "--task_settings" not in text
