"""A whole run, small: every stage for real, resumed, and what it leaves behind."""

import json
import shutil

import keras
import numpy as np
import pytest

from nadv2_tf import export
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.search import UnreachableTarget
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.files import is_partial


@pytest.fixture
def finished(finished_run):
  return finished_run


def test_every_file_of_a_run_is_there(finished):
  folder, _ = finished
  for name in ("found.json", "found.keras", "found.tflite", "metrics.json", "search.jsonl"):
    assert (folder / name).stat().st_size > 0, name
  assert (folder / "pareto.png").read_bytes().startswith(b"\x89PNG")
  assert not [path for path in folder.rglob("*") if is_partial(path)]


def test_metrics_say_what_was_measured(finished):
  folder, _ = finished
  metrics = json.loads((folder / "metrics.json").read_text())
  spec = NetworkSpec.from_json((folder / "found.json").read_text())
  assert metrics["macs"] == spec.macs()
  assert metrics["parameters"] == spec.parameters()
  metric = metrics["metric"]
  assert metric["name"] == "macs"
  assert metric["predicted"] == metric["measured"] == spec.macs() <= metric["target"]
  assert set(metrics["seconds"]) >= {"train", "search", "finetune", "export", "time"}
  lines = [json.loads(line) for line in (folder / "search.jsonl").read_text().splitlines()]
  assert metrics["samples_scored"] == sum(line["type"] == "sample" for line in lines)
  assert metrics["iterations"] == sum(line["type"] == "iteration" for line in lines) > 0
  assert metrics["seed"] == 0
  assert metrics["versions"]["tensorflow"]
  assert set(metrics["networks"]) == {"found", "uniform", "full"}
  uniform = metrics["networks"]["uniform"]
  assert uniform["macs"] <= spec.macs() < 1.1 * uniform["macs"]


def test_the_found_network_is_trained_on_the_hold_outs_images_too(finished):
  """Once on 256 training images and the hold-out's 64, by 32; the search had the first alone."""
  folder = RunFolder(finished[0])
  logs = folder.training_logs()
  assert logs["super-network"][-1].step == 2 * 256 / 32
  for network in ("found", "uniform"):
    assert logs[f"fine-tuning of the {network} network"][-1].step == (256 + 64) / 32
    assert folder.network_metrics(network).holdout_accuracy is None


def test_stages_say_where_the_time_went(finished):
  folder, _ = finished
  stages = json.loads((folder / "stages.json").read_text())
  expected = ["start", "table", "train", "search", "references", "finetune found", "export", "time"]
  assert [name for name in stages if name in expected] == expected
  for name in ("train", "finetune found"):
    assert stages[name]["tracing"][0] > 0 and stages[name]["steps"][0] > 0
  # Scoring was traced beside the training, where seconds are counted once.
  assert stages["search"]["steps"][0] > 0 and "tracing" not in stages["search"]
  assert stages["export"]["files"][0] > 0 and stages["time"]["timing"][0] > 0
  page = (folder / "report.html").read_text()
  assert "Where the time went" in page and "CPU seconds" in page


def test_files_hold_the_network_that_was_measured(finished, bands):
  folder, _ = finished
  metrics = json.loads((folder / "metrics.json").read_text())
  archive = np.load(bands.removeprefix("npz:"))
  images = archive["x_test"].astype(np.float32) / 127.5 - 1
  for predict in (
    keras.saving.load_model(folder / "found.keras"),
    export.predictor(folder / "found.tflite"),
  ):
    right = np.argmax(np.asarray(predict(images)), axis=-1) == archive["y_test"]
    assert abs(right.mean() - metrics["test_accuracy"]) < 1e-6


def test_report_is_one_self_contained_page(finished):
  folder, printed = finished
  page = (folder / "report.html").read_text()
  assert "data:image/png;base64," in page
  assert 'src="http' not in page and "<script" not in page
  for title in ("full network", "found network", "uniformly scaled"):
    assert title in page
    assert title in printed
  assert "removed" in page or "of 256" in page


def test_report_has_predicted_beside_measured_latency(finished, tmp_path):
  folder = RunFolder(shutil.copytree(finished[0], tmp_path / "run"))
  title = "Predicted and measured latency"
  assert title not in folder.report.read_text()  # nothing was confirmed: MACs are counted
  rows = [("5", 8.0, 8.8), ("found", 4.0, 3.0)]
  folder.update_metrics(
    confirmed=[dict(zip(("iteration", "predicted", "measured"), row, strict=True)) for row in rows]
  )
  write_report(folder)
  page = folder.report.read_text()
  assert title in page and "best of iteration 5" in page
  assert "+10.0%" in page and "-25.0%" in page


def test_plain_lines_where_the_output_is_no_terminal(finished):
  _, printed = finished
  assert "\r" not in printed and "\x1b" not in printed
  assert "search 1:" in printed and "accuracy" in printed
  assert "super-network:" in printed


def test_the_same_run_goes_on_and_does_nothing_twice(finished, run_small):
  folder, _ = finished
  names = ("super.weights.h5", "found.keras", "found.json", "search.jsonl")
  before = {name: (folder / name).read_bytes() for name in names}
  metrics = json.loads((folder / "metrics.json").read_text())
  printed = run_small(folder)
  assert "super-network: weights in" in printed and "trained network in" in printed
  assert {name: (folder / name).read_bytes() for name in names} == before
  again = json.loads((folder / "metrics.json").read_text())
  for key in ("test_accuracy", "test_accuracy_tflite", "macs", "samples_scored", "metric"):
    assert again[key] == metrics[key], key


def test_another_run_does_not_get_the_folder(finished, run_small):
  folder, _ = finished
  with pytest.raises(ValueError, match="holds another run: it has --target=60%"):
    run_small(folder, target="50%")


def test_a_target_below_the_smallest_network_stops_before_training(tmp_path, run_small):
  with pytest.raises(UnreachableTarget, match="smallest network of 'short_mobilenet' has"):
    run_small(tmp_path / "run", target="10")
  assert not (tmp_path / "run" / "super.weights.h5").exists()
  # The corrected target may use the same folder.
  assert "search" not in json.loads((tmp_path / "run" / "run.json").read_text())
