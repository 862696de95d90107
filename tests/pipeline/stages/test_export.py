"""Quantized files of a run: written after the gate, noted in the metrics, shown in the report."""

import io
import json
import shutil

import keras
import numpy as np
import pytest

from nadv2_tf.export import ParityError, blocks, metadata, predictor, quantization
from nadv2_tf.options import ExportOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import workbench


@pytest.fixture
def bench(finished_run, tmp_path):
  """A copy of a finished run, opened again."""
  return workbench.reopen_workbench(shutil.copytree(finished_run[0], tmp_path / "run"))


def found_of(bench):
  return keras.saving.load_model(bench.folder.keras("found"), compile=False)


def test_a_run_exports_in_int8_and_reports_it(bench, monkeypatch):
  # 28 layers after 8 steps of training round too much for the gate, which is not the subject here.
  monkeypatch.setitem(quantization.LIMITS, "int8", quantization.Limits(4.0, 1.0))
  stream = io.StringIO()
  options = ExportOptions("int8", author="A. Nother", max_accuracy_drop=30)
  paths = export_stage.export(bench, found_of(bench), "found", options, None, Progress(stream))
  assert [path.name for path in paths] == ["found.tflite", "found_int8.tflite"]
  assert paths[1].stat().st_size < 0.6 * paths[0].stat().st_size
  exports = bench.folder.metrics().networks["found"].exports
  assert set(exports) == {"none", "int8"}
  record = exports["int8"]
  assert record.as_read["images"] == len(bench.datasets.holdout) == 64
  assert record.size_bytes == paths[1].stat().st_size
  assert record.as_read["layer_errors"] and record.as_read["options"]["author"] == "A. Nother"
  test = bench.datasets.test
  right = predictor(paths[1])(test.inputs()).argmax(-1) == test.labels
  assert record.test_accuracy == pytest.approx(right.mean())
  assert metadata.read_labels(paths[1].read_bytes()) == list(bench.datasets.class_names)
  assert "layers that int8 hurts most" in stream.getvalue()
  write_report(bench.folder)
  page = bench.folder.report.read_text()
  assert "found network, int8" in page and "Exported files against Keras" in page


def test_a_run_exports_a_mixed_file(bench, monkeypatch):
  monkeypatch.setitem(quantization.LIMITS, "mixed", quantization.Limits(4.0, 1.0))
  stream = io.StringIO()
  options = ExportOptions("mixed", max_size="80%", max_accuracy_drop=30)
  paths = export_stage.export(bench, found_of(bench), "found", options, None, Progress(stream))
  assert [path.name for path in paths] == ["found.tflite", "found_mixed.tflite"]
  record = bench.folder.metrics().networks["found"].exports["mixed"]
  chosen = record.as_read["mixed"]
  # With its metadata, as the float file of the same network has them.
  assert record.size_bytes == paths[1].stat().st_size <= 0.801 * paths[0].stat().st_size
  found = blocks.precisions(paths[1].read_bytes())
  assert {block for block, types in found.items() if types == {"int8"}} == {*chosen["int8_blocks"]}
  assert {block for block, types in found.items() if types == {"float32"}} == {
    *chosen["float_blocks"]
  }
  assert (bench.folder.path / "found_mixed.blocks.json").exists()
  assert "what a block adds to the loss" in stream.getvalue()


def test_a_file_that_is_not_the_network_is_not_written(bench, monkeypatch):
  """The converter is given another network's weights: the gate shuts before the file is there."""
  from nadv2_tf.export import deployment

  model, path = found_of(bench), bench.folder.tflite("found")
  other = keras.models.clone_model(model)  # fresh weights
  before, honest = path.read_bytes(), deployment.concrete_function
  monkeypatch.setattr(deployment, "concrete_function", lambda network: honest(other))
  with pytest.raises(ParityError, match="not the network: the largest difference of an output"):
    export_stage.export(bench, model, "found")
  assert path.read_bytes() == before


def test_calibration_and_gate_see_no_test_image(bench):
  datasets = bench.datasets
  evidence = export_stage.evidence_of(bench.task, datasets)
  np.testing.assert_array_equal(evidence.images, datasets.holdout.inputs())
  assert evidence.train is datasets.train
  perfect = np.eye(len(datasets.class_names))[datasets.holdout.labels]
  assert evidence.quality(perfect) == 1 and evidence.quality(-perfect) == 0


def test_search_for_int8_needs_an_int8_export(options):
  int8 = options(search_precision="int8")
  assert export_stage.timed_quantization(options(), None) == "none"
  assert export_stage.timed_quantization(int8, ExportOptions("int8_qat")) == "int8_qat"
  for other in (None, ExportOptions("float16")):
    with pytest.raises(ValueError, match="--search_precision=int8 searches for files that"):
      export_stage.timed_quantization(int8, other)


def test_report_draws_the_network_and_says_how_to_repeat_it(finished_run):
  folder = RunFolder(finished_run[0])
  page = folder.report.read_text()
  found = folder.read_spec("found")
  assert page.count("<svg") >= 3 and page.count('role="img" aria-label=') == page.count("<svg")
  for index, block in enumerate(found.blocks):
    assert f"{index + 1} {block.kind.replace('_', ' ')}" in page
  for block in found.blocks:
    for field, kept in block.widths().items():
      assert (f"{field} {kept} of" if kept else f"{field} removed") in page
  for title in ("super-network", "fine-tuning of the found network", "training images (thousands)"):
    assert title in page
  assert "nadv2-run" in page and "--metric=macs" in page and "--target=60%" in page
  logs = json.loads((folder.path / "training.json").read_text())
  assert logs["fine-tuning of the found network"][-1]["step"] > 1
  assert "http" not in page.replace("http://www.w3.org", "")
