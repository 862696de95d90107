"""The picture of accuracy over resource: what is drawn, where it is cut off, how axes are named."""

import matplotlib.figure
import pytest
from report_figures import overview

from nadv2_tf.pipeline.report import picture
from nadv2_tf.search.entries import read_entry


@pytest.fixture
def draw(tmp_path, monkeypatch):
  """Function (entries, metrics) -> the axes and the texts of the legend; the file is a PNG."""
  figures, real = [], matplotlib.figure.Figure

  def figure(**arguments):
    figures.append(real(**arguments))
    return figures[-1]

  monkeypatch.setattr(matplotlib.figure, "Figure", figure)

  def draw_picture(entries, metrics):
    path = tmp_path / "pareto.png"
    entries = [read_entry(entry, "search.jsonl") for entry in entries]
    picture.draw_pareto(entries, overview(metrics), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    (legend,) = figures[-1].legends
    return figures[-1].axes[0], [text.get_text() for text in legend.get_texts()]

  return draw_picture


def sample(number, resource, accuracy):
  entry = {"type": "sample", "iteration": 1, "widths": [number]}
  return entry | {"resource": resource, "accuracy": accuracy}


def best(number, resource, accuracy):
  entry = sample(number, resource, accuracy) | {"type": "iteration", "iteration": number}
  return entry | {"samples": 1, "samples_scored": 1}


def lines_of(axes, style):
  return [line for line in axes.lines if line.get_linestyle() == style]


BEGINNING = {
  "type": "search", "space": "net", "input_shape": [8, 8, 1], "start": [8], "unit": "MACs",
  "target": 1.0, "optimizer": "mcd", "settings": {}, "seed": 0,
}  # fmt: skip
SEARCH = [
  BEGINNING,
  sample(1, 20.0, 0.8),
  sample(2, 20.0, 0.1),
  best(1, 20.0, 0.8),
  sample(3, 15.0, 0.7),
  best(2, 15.0, 0.7),
]


def test_samples_path_networks_and_target(draw, metrics):
  axes, legend = draw(SEARCH, metrics)
  (path,) = lines_of(axes, "-")
  assert list(path.get_xdata()) == [20.0, 15.0]
  assert list(path.get_ydata()) == pytest.approx([80.0, 70.0])
  (target,) = lines_of(axes, ":")
  assert list(target.get_xdata()) == [12345.0] * 2
  finished = {float(line.get_xdata()[0]): line for line in lines_of(axes, "None")}
  assert {x: float(line.get_ydata()[0]) for x, line in finished.items()} == pytest.approx(
    {12000.0: 87.654, 24000.0: 90.0}
  )
  assert axes.get_xlabel() == "macs (MACs)" and axes.get_ylabel() == "accuracy (%)"
  assert legend == [
    "3 samples, shared weights, hold-out (1 below the picture)",
    "best of each iteration",
    "found network, trained on, test set",
    "full network, trained, test set",
    "target",
  ]


def test_a_given_network_is_named(draw, metrics):
  metrics["networks"]["original"] = {"macs": 24000, "test_accuracy": 0.95}
  _, legend = draw(SEARCH, metrics)
  assert "network as given, test set" in legend


def test_hopeless_samples_do_not_press_the_path_flat(draw, metrics):
  """The picture begins 25 points under the path's worst; without a path, under the worst sample."""
  axes, _ = draw(SEARCH, metrics)
  assert axes.get_ylim()[0] == pytest.approx(70 - picture.BELOW_PATH)
  axes, _ = draw([sample(1, 1.0, 0.6), sample(2, 1.0, 0.9)], metrics)
  assert axes.get_ylim()[0] == pytest.approx(60 - picture.BELOW_PATH)
  axes, _ = draw([sample(1, 1.0, 0.1)], metrics)
  assert axes.get_ylim()[0] == 0


def test_each_round_has_a_path_and_the_legend_names_one(draw, metrics):
  rounds = [*SEARCH, BEGINNING, best(1, 14.0, 0.75), best(2, 13.0, 0.7)]
  axes, legend = draw(rounds, metrics)
  assert [list(path.get_xdata()) for path in lines_of(axes, "-")] == [[20.0, 15.0], [14.0, 13.0]]
  assert legend.count("best of each iteration") == 1


def test_several_targets(draw, targets):
  axes, legend = draw(SEARCH, targets)
  assert [line.get_xdata()[0] for line in lines_of(axes, ":")] == [16000.0, 9000.0]
  assert legend.count("targets") == 1 and "target" not in legend
  assert "found network, trained on, test set, target 40%" in legend


def test_latency_says_what_was_predicted_and_what_measured(draw, metrics):
  metrics["metric"] |= {"name": "latency_ms", "unit": "ms"}
  axes, legend = draw(SEARCH, metrics)
  assert axes.get_xlabel().startswith("latency (ms): samples by the latency table, finished")
  (finished,) = lines_of(axes, "None")  # nobody timed the full network
  assert list(finished.get_xdata()) == [1.23456]
  assert "full network, trained, test set" not in legend


def test_a_search_that_scored_nothing(draw, metrics):
  axes, legend = draw([], metrics | {"networks": {}})
  assert axes.get_ylim()[0] == 0 and legend[0].startswith("0 samples")


def test_a_unit_that_is_the_name_is_told_once():
  assert picture._axis_title("parameters", "parameters") == "parameters"
