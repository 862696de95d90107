"""A whole run on depth maps, small: the same stages as for classes, told in the task's words.

The rooms are synthetic, and the backbone is a tiny encoder and decoder of the kinds of `fastdepth`.
"""

import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from nadv2_tf import backbones, export
from nadv2_tf.export import metadata
from nadv2_tf.models import stand_alone
from nadv2_tf.options import (
  CheckpointOptions,
  ExportOptions,
  FinetuneOptions,
  NetworkOptions,
  RunOptions,
  TrainOptions,
)
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import plain_training, transfer, workbench
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.recipes import finetune_recipe
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Upsample
from nadv2_tf.tasks.depth.picture import figure_of
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.network_files import load_keras
from nadv2_tf.training.steps.distillation import Teacher

SIZE = 16
FINETUNE = FinetuneOptions(
  4, 5e-3, "trajectory", 1, finetune_distillation=0.3, finetune_holdout=False
)
TRAIN = TrainOptions(
  epochs=6,
  full_epochs=3,
  batch_size=8,
  learning_rate=1e-2,
  subnetworks_per_batch=4,
  distillation=0.2,
  execution="sliced",
  strategy="one",
  block_noise=0.3,
  order="paper",
)


def tiny_depth(input_shape=(SIZE, SIZE, 3), classes=1):
  blocks = (
    Conv(8, 3, 2, "relu", bypass_cap=4),
    DepthwiseSeparable(8, 16, 3, 1, "relu", 8),
    DepthwiseSeparable(16, 32, 3, 2, "relu", 16),
    DepthwiseSeparable(32, 16, 5, 1, "relu", 16),
    Upsample(2),
    DepthwiseSeparable(16, 8, 3, 1, "relu", 8),
    Upsample(2),
    Conv(1, 1, 1, "relu"),
  )
  network = NetworkSpec("tiny_depth", input_shape, blocks, (Skip(1, 4),))
  return space_of(network, 4, [((1, "pointwise"), (3, "pointwise"))])


def write_rooms(folder, count):
  """Pairs in millimetres, one of them without any depth."""
  from nadv2_tf.tasks.depth.rooms import cast_room

  for half in ("rgb", "depth"):
    (folder / half).mkdir(parents=True)
  for index in range(count):
    image, depth = cast_room(np.random.default_rng(index), 64, 48)
    values = np.rint(depth * 1000).astype(np.uint16) * (index != 5)
    Image.fromarray(image).save(folder / "rgb" / f"{index:03d}.png")
    Image.fromarray(values).save(folder / "depth" / f"{index:03d}.png")
  return f"folder:{folder}"


imitated = []


def remembered(model, share):
  imitated.append((model.get_weights(), share))
  return Teacher(model, share)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """(folder, what was printed) of a run with transfer along the trajectory."""
  from nadv2_tf.pipeline.run import run

  place = tmp_path_factory.mktemp("depth")
  rooms = write_rooms(place / "rooms", 60)
  with (
    backbones.BACKBONES.registered("tiny_depth", tiny_depth),
    pytest.MonkeyPatch.context() as patch,
  ):
    task_settings = {"depth_test": 10}
    network = NetworkOptions("tiny_depth", SIZE, rooms, 10, 0, task_settings, fixed_blocks="1-2")
    patch.setattr(plain_training, "Teacher", remembered)
    stream = io.StringIO()
    search = _search()
    run(place / "run", RunOptions(network, TRAIN, search, FINETUNE), Progress(stream))
    yield place / "run", stream.getvalue()


def _search():
  from nadv2_tf.options import SearchOptions

  values = {"metric": "macs", "target": "60%", "limit": "", "device": "host", "num_threads": 1}
  values |= {"attempts": 1, "benchmark_binary": None, "benchmark_url": None, "cpu_mask": None}
  values |= {"delegate": "cpu", "confirm_every": 5, "tighten": 0, "search_optimizer": "mcd"}
  settings = {"samples_per_iteration": 4, "layers_per_sample": 4, "initial_reduction": 0.2}
  return SearchOptions(**values, optimizer_settings=settings)


def test_metrics_hold_the_measures_of_depth(finished):
  metrics = json.loads((finished[0] / "metrics.json").read_text())
  assert metrics["quality"] == "delta1"
  measures = metrics["networks"]["found"]["measures"]
  assert set(measures) >= {"RMSE (m)", "delta1", "delta2", "delta3", "REL", "log10"}
  assert measures["delta1"] == metrics["test_accuracy"]
  assert metrics["networks"]["found"]["holdout_accuracy"] > 0  # of --nofinetune_holdout
  # float32 sums in another order may turn a pixel at the very limit: 10 x 256 pixels.
  assert metrics["test_accuracy_tflite"] == pytest.approx(metrics["test_accuracy"], abs=1e-3)
  # Better than any constant would be: the networks have seen 39 rooms.
  assert measures["RMSE (m)"] < 2.5


def test_fixed_blocks_come_out_as_they_went_in(finished):
  found = NetworkSpec.from_json((finished[0] / "found.json").read_text())
  full = tiny_depth().largest()
  assert found.blocks[:2] == full.blocks[:2] and found.macs() < full.macs()
  assert found.blocks[3].pointwise == full.blocks[3].pointwise  # shares its width with block 2


def test_the_found_network_imitates_the_full_one_which_is_trained_first(finished):
  full = load_keras(finished[0] / "full.keras").get_weights()
  ((weights, share),) = imitated
  assert share == FINETUNE.finetune_distillation
  assert all(map(np.array_equal, weights, full))
  metrics = json.loads((finished[0] / "metrics.json").read_text())
  assert list(metrics["networks"]) == ["full", "found"]
  assert metrics["networks"]["full"]["seconds"]["finetune"] > 0


def test_the_file_gives_metres(finished):
  folder = finished[0]
  bench = workbench.reopen_workbench(folder)
  data = bench.datasets
  assert [len(part) for part in (data.train, data.holdout, data.test)] == [39, 10, 10]
  outputs = export.predictor(folder / "found.tflite")(bench.datasets.test.inputs())
  assert outputs.shape == bench.datasets.test.labels.shape
  result = bench.task.evaluate([(outputs, bench.datasets.test.labels)])
  metrics = json.loads((folder / "metrics.json").read_text())
  assert result.accuracy == pytest.approx(metrics["test_accuracy_tflite"], abs=1e-6)
  medians = np.median(outputs), np.median(bench.datasets.test.labels)
  assert 0.5 < medians[0] / medians[1] < 2


def test_everything_is_told_in_the_words_of_the_task(finished):
  folder, printed = finished
  assert "1 of 50 training maps have no valid depth and are left out" in printed
  assert "delta1" in printed and "accuracy" not in printed
  assert "transfer 1 of" in printed
  page = (folder / "report.html").read_text()
  assert "Test images, found network" in page and "RMSE (m)" in page and "test delta1" in page
  assert page.count("data:image/png;base64,") == 2
  (folder / "examples_found.png").rename(folder / "elsewhere.png")
  write_report(RunFolder(folder))
  assert (folder / "report.html").read_text().count("data:image/png;base64,") == 1
  (folder / "elsewhere.png").rename(folder / "examples_found.png")


def test_the_picture_has_the_network_beside_the_truth(finished):
  """Five rows of image, truth, prediction, error; one scale of metres for both maps."""
  test = workbench.reopen_workbench(finished[0]).datasets.test
  maps = test.labels.copy()
  maps[:, :4] = 0  # no depth there
  chosen = [0, 2, 4, 6, 9]
  figure = figure_of(lambda images: test.labels[chosen] + 0.5, Examples(test.images, maps))
  cells, bars = figure.axes[:20], figure.axes[20:]
  assert [bar.get_xlabel() for bar in bars] == ["depth (m)", "error (m)"]
  for row, index in enumerate(chosen):
    image, truth, predicted, error = (cell.images[0] for cell in cells[4 * row : 4 * row + 4])
    np.testing.assert_array_equal(image.get_array(), test.images[index])
    np.testing.assert_array_equal(truth.get_array()[4:], test.labels[index, 4:, :, 0])
    np.testing.assert_array_equal(predicted.get_array(), test.labels[index, ..., 0] + 0.5)
    np.testing.assert_allclose(error.get_array()[4:], 0.5, atol=1e-6)
    assert truth.get_array().mask[:4].all() and error.get_array().mask[:4].all()
    assert truth.get_clim() == predicted.get_clim() == (0, pytest.approx(maps[chosen].max()))
    assert (truth.cmap.name, error.cmap.name) == ("viridis", "magma")
    assert "mean error 0.50 m" in cells[4 * row + 3].get_xlabel()


def test_another_scale_is_another_run(finished):
  folder = RunFolder(finished[0])
  before = folder.options("network", NetworkOptions)
  changed = dataclasses.replace(before, task_settings={"depth_test": 11})
  with pytest.raises(ValueError, match="it has --depth_test=10, this one --depth_test=11"):
    folder.check(network=changed)


def test_a_kill_on_the_trajectory_loses_no_network(finished, tmp_path, monkeypatch):
  """What was trained is not trained again, and the end is that of the run that was left alone."""
  folder = shutil.copytree(finished[0], tmp_path / "run")
  expected = load_keras(folder / "found.keras").get_weights()
  (folder / "found.keras").unlink()
  trained = (folder / "super.weights.h5").read_bytes()
  bench = workbench.reopen_workbench(folder, CheckpointOptions(0.0, 2))
  progress, spec = Progress(io.StringIO()), bench.folder.read_spec("found")
  super_model = super_stage.train_super_network(bench, progress)
  full = training_stages.trained_full(bench, super_model, FINETUNE, progress)
  begun, killed, train_on = [], ["transfer 2 of"], plain_training.train_on

  def train(bench, model, spec, recipe, title, *more):
    if killed and title.startswith(killed[0]):
      raise KeyboardInterrupt
    begun.append(title)
    return train_on(bench, model, spec, recipe, title, *more)

  monkeypatch.setattr(plain_training, "train_on", train)
  with pytest.raises(KeyboardInterrupt):
    training_stages.finetune(bench, super_model, spec, FINETUNE, "found", progress, full)
  killed.clear()
  model, _ = training_stages.finetune(bench, super_model, spec, FINETUNE, "found", progress, full)
  assert len(begun) > 2 and len(set(begun)) == len(begun) and begun[-1] == "fine-tune found"
  for weights, other in zip(expected, model.get_weights(), strict=True):
    np.testing.assert_allclose(weights, other, atol=1e-4)
  assert not [path for path in folder.rglob("*") if "transfer" in path.name]
  assert (folder / "super.weights.h5").read_bytes() == trained


def test_a_transfer_from_the_full_network_begins_with_what_it_learned(finished, tmp_path):
  folder = shutil.copytree(finished[0], tmp_path / "run")
  (folder / "found.keras").unlink()
  bench, progress = workbench.reopen_workbench(folder), Progress(io.StringIO())
  options = dataclasses.replace(
    FINETUNE, transfer="full", finetune_epochs=0, finetune_distillation=0
  )
  spec, super_model = (
    bench.folder.read_spec("found"),
    super_stage.train_super_network(bench, progress),
  )
  full = training_stages.trained_full(bench, super_model, options, progress)
  assert all(
    map(np.array_equal, full.get_weights(), load_keras(folder / "full.keras").get_weights())
  )
  found, _ = training_stages.finetune(bench, super_model, spec, options, "found", progress, full)
  expected = transfer.cut_down(full, spec)
  other = training_stages.cut_out(bench, super_model, spec)
  begun = [weights.numpy() for weights in found.trainable_weights]
  assert all(map(np.array_equal, begun, [w.numpy() for w in expected.trainable_weights]))
  assert not all(map(np.array_equal, begun, [w.numpy() for w in other.trainable_weights]))


def test_a_training_of_few_steps_ends_with_averages_of_few_steps(finished, monkeypatch):
  bench = workbench.reopen_workbench(finished[0])
  spec, recipe = bench.folder.read_spec("found"), finetune_recipe(bench.train_options, FINETUNE)
  model, momenta = stand_alone(spec), []

  def momentum():
    return {layer.momentum for layer in model.layers if hasattr(layer, "momentum")}

  monkeypatch.setattr(plain_training, "run_loop", lambda *_: momenta.append(momentum()))
  plain_training.train_on(bench, model, spec, recipe, "short", Progress(io.StringIO()))
  steps = recipe.steps(len(bench.datasets.train))
  assert momenta == [{0.95}] and steps < 200
  assert momentum() == {0.99}


def test_maps_are_exported_in_int8_and_described(finished, tmp_path):
  bench = workbench.reopen_workbench(shutil.copytree(finished[0], tmp_path / "run"))
  stream, options = io.StringIO(), ExportOptions("int8", max_accuracy_drop=30)
  network = load_keras(bench.folder.keras("found"))
  paths = export_stage.export(bench, network, "found", options, progress=Progress(stream))
  assert [path.name for path in paths] == ["found.tflite", "found_int8.tflite"]
  test = bench.datasets.test
  assert export.predictor(paths[1])(test.inputs()).shape == test.labels.shape
  record = bench.folder.metrics().networks["found"].exports["int8"]
  assert record.top_1_agreement is None and 0 < record.test_accuracy <= 1
  assert record.as_read["operators"]["RESIZE_NEAREST_NEIGHBOR"] == 2
  assert "  test delta1 " in stream.getvalue() and "accuracy" not in stream.getvalue()
  (graph,) = metadata.read(paths[1].read_bytes())["subgraph_metadata"]
  assert graph["output_tensor_metadata"][0]["description"] == "depth in metres"
