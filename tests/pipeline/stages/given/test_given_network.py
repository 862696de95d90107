"""Runs that begin with a user's trained network: what is kept of it, and what is handed back."""

import io
import json
import shutil

import keras
import numpy as np
import pytest

from nadv2_tf import export, reading
from nadv2_tf.export import metadata
from nadv2_tf.options import FinetuneOptions, NetworkOptions, RunOptions, TrainOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run import run
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.pipeline.stages.given import form as forms
from nadv2_tf.pipeline.stages.given import stage
from nadv2_tf.pipeline.stages.given.form import Form
from nadv2_tf.pipeline.stages.recipes import check_recipes

TRAIN = TrainOptions(full_epochs=1, batch_size=32, subnetworks_per_batch=4, strategy="one")
SIZE = 16


def tiny_model(classes=3, channels=1, scaling=(1 / 127.5, -1.0), activation="softmax"):
  """A user's model: preprocessing of its own, three layers, the classes."""
  layers = keras.layers
  model = keras.Sequential(
    [
      keras.Input((SIZE, SIZE, channels)),
      *([layers.Rescaling(*scaling)] if scaling else []),
      layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="first"),
      layers.BatchNormalization(momentum=0.8, epsilon=1e-4),
      layers.ReLU(),
      layers.DepthwiseConv2D(3, padding="same", use_bias=False),
      layers.BatchNormalization(momentum=0.8),
      layers.ReLU(),
      layers.Conv2D(16, 1, use_bias=False),
      layers.BatchNormalization(momentum=0.8),
      layers.ReLU(),
      layers.GlobalAveragePooling2D(),
      layers.Dropout(0.1),
      layers.Dense(classes, activation=activation, name="classes"),
    ],
    name="mine",
  )
  return model


@pytest.fixture(scope="module")
def images(bands):
  """{"x_train", ...} of `bands`, at the tiny model's size."""
  with np.load(bands.removeprefix("npz:")) as archive:
    arrays = dict(archive)
  for part in ("train", "test"):
    x = arrays[f"x_{part}"]
    arrays[f"x_{part}"] = x.reshape(-1, SIZE, 2, SIZE, 2, 1).mean((2, 4)).round().astype("uint8")
  return arrays


@pytest.fixture(scope="module")
def data(images, tmp_path_factory):
  path = tmp_path_factory.mktemp("given_data") / "bands.npz"
  np.savez(path, **images)
  return f"npz:{path}"


@pytest.fixture(scope="module")
def model(images):
  """The tiny model, trained a little on pixels from 0 to 255."""
  keras.utils.set_random_seed(0)
  made = tiny_model()
  made.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
  made.fit(images["x_train"], images["y_train"], batch_size=32, epochs=8, verbose=0)
  return made


@pytest.fixture(scope="module")
def given_run(model, data, tmp_path_factory, search_options):
  """(folder, the user's file, options, what was printed) of a finished run."""
  place = tmp_path_factory.mktemp("given")
  file = place / "my model.keras"
  model.save(file)
  options = RunOptions(
    NetworkOptions(data=data, holdout=64, network=str(file)),
    TRAIN,
    search_options("macs", target="60%", samples_per_iteration=4, layers_per_sample=4),
    FinetuneOptions(finetune_epochs=1),
  )
  stream = io.StringIO()
  run(place / "run", options, Progress(stream))
  return place / "run", file, options, stream.getvalue()


def test_the_run_says_what_it_understood(given_run):
  _, file, _, printed = given_run
  assert f"network: --network={file} has" in printed and "gives the same outputs" in printed
  assert "takes pixels as 0..255: it preprocesses them itself" in printed
  assert "network as given" in printed  # a row of the closing table


def test_the_original_has_figures_of_its_own(given_run, model, images):
  metrics = json.loads((given_run[0] / "metrics.json").read_text())
  right = np.argmax(model.predict(images["x_test"], verbose=0), axis=-1) == images["y_test"]
  assert metrics["networks"]["original"]["test_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
  assert right.mean() > 0.6
  found, full = metrics["networks"]["found"], metrics["networks"]["original"]
  assert found["macs"] <= 0.6 * full["macs"]
  settings = json.loads((given_run[0] / "run.json").read_text())
  assert settings["finetune"]["finetune_distillation"] == 0.5
  assert settings["train"]["full_learning_rate"] == 1e-3
  assert settings["finetune"]["finetune_learning_rate"] == 1e-3


def test_the_found_network_is_handed_back_in_the_form_of_the_given_one(given_run, images, model):
  folder = given_run[0]
  pixels = images["x_test"].astype("float32")
  fed = keras.saving.load_model(folder / "found.keras")(pixels / 127.5 - 1, training=False)
  fed = np.asarray(fed)
  adapted = keras.saving.load_model(folder / "adapted.keras")
  assert adapted.input_shape == model.input_shape and adapted.output_shape == model.output_shape
  outputs = np.asarray(adapted(pixels, training=False))
  np.testing.assert_allclose(outputs.sum(-1), 1, atol=1e-5)  # it ends with softmax, as theirs did
  expected = np.asarray(keras.ops.softmax(fed))
  np.testing.assert_allclose(outputs, expected, atol=1e-4)  # rounding of the rescaling
  # The exported file takes the same pixels, and says so; it gives logits.
  file = folder / "found.tflite"
  assert metadata.input_range(file.read_bytes()) == (0.0, 255.0)
  np.testing.assert_allclose(export.predictor(file)(pixels), fed, atol=1e-3 * fed.std())
  said = metadata.read(file.read_bytes())["subgraph_metadata"][0]["input_tensor_metadata"][0]
  assert said["description"] == "Pixels from 0 to 255, as they are."
  metrics = json.loads((folder / "metrics.json").read_text())
  right = np.argmax(outputs, axis=-1) == images["y_test"]
  assert metrics["test_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
  assert metrics["test_accuracy_tflite"] == pytest.approx(right.mean(), abs=1e-6)


def test_a_run_goes_on_without_the_file_and_refuses_another(given_run, tmp_path, model):
  folder, file, options, _ = given_run
  there = shutil.copytree(folder, tmp_path / "run")
  for name in ("found.keras", "full.keras"):
    (there / name).unlink()
  before = file.read_bytes()
  stream = io.StringIO()
  try:
    file.unlink()
    # The full network is made anew, with the very same weights: the super-network fits it still.
    run(there, options, Progress(stream))
    assert "super-network: weights in" in stream.getvalue()
    assert f"as it is kept in {there / 'network.json'}" in stream.getvalue()
    keras.saving.load_model(there / "found.keras")
    changed = tiny_model()
    changed.save(file)
    with pytest.raises(ValueError, match="began with another network than .*my model.keras"):
      run(there, options, Progress(io.StringIO()))
    model.save(file)  # the same weights, another date
    assert file.read_bytes() != before
    run(there, options, Progress(io.StringIO()))
  finally:
    file.write_bytes(before)


def bench_of(folder, model_or_file, data, train=TRAIN, **network):
  file = model_or_file
  if not isinstance(file, str):
    file = f"{folder}.keras"
    model_or_file.save(file)
  options = NetworkOptions(data=data, holdout=64, network=file, **network)
  return workbench.make_workbench(RunFolder(folder), options, train)


def test_a_classifier_for_other_classes_is_replaced_and_trained_alone(data, images, tmp_path):
  keras.utils.set_random_seed(1)
  model = tiny_model(classes=7)
  bench = bench_of(tmp_path / "run", model, data)
  assert bench.given.is_new_classifier and bench.given.spec.blocks[-1].classes == 3
  said = "it tells 7 classes apart, the data has 3: its classifier is replaced"
  assert any(said in line for line in bench.given.lines)
  before = reading.build(bench.given.read)
  begun, _ = stage.begun(bench, bench.given, Progress(io.StringIO()), goes_on=False)
  for layer in before.layers:
    after = begun.get_layer(layer.name).get_weights()
    same = [np.array_equal(a, b) for a, b in zip(layer.get_weights(), after, strict=True)]
    assert not any(same) if layer.name.endswith("_classes") else all(same), layer.name
  assert all(layer.trainable for layer in begun.layers)
  assert "original" not in bench.folder.metrics().networks
  again, _ = stage.begun(bench, bench.given, Progress(io.StringIO()), goes_on=True)
  assert np.array_equal(again.layers[-2].get_weights()[0], before.layers[-2].get_weights()[0])


def test_the_loss_is_that_of_the_ending(data, tmp_path):
  logits, labels = np.array([[1.0, 0, 0]], np.float32), np.array([0])
  for activation, expected in (("sigmoid", (np.log1p(np.exp(-1)) + 2 * np.log(2)) / 3),
                               ("softmax", np.log1p(2 * np.exp(-1)))):  # fmt: skip
    bench = bench_of(tmp_path / activation, tiny_model(activation=activation), data)
    assert float(bench.task.loss(labels, logits)[0]) == pytest.approx(expected, rel=1e-5)


def test_kept_networks_are_read_back(data, model, tmp_path):
  bench = bench_of(tmp_path / "run", model, data, bypass=0.25)
  bench.open(network=bench.network_options, train=bench.train_options)
  again = bench_of(tmp_path / "run", bench.network_options.network, data, bypass=0.25)
  assert again.given.spec == bench.given.spec == bench.space.largest()
  assert again.given.ending == "softmax" and again.given.input_range == (0.0, 255.0)
  for name, arrays in bench.given.read.weights.items():
    for one, other in zip(arrays, again.given.read.weights[name], strict=True):
      assert np.array_equal(one, other)
  (tmp_path / "run" / "network.weights.npz").write_bytes(b"PK\3\4 no archive")
  with pytest.raises(ValueError, match=r"network\.weights\.npz is damaged"):
    bench_of(tmp_path / "run", bench.network_options.network, data, bypass=0.25)


def test_what_cannot_be_begun_with_is_one_line(data, tmp_path):
  colour = tiny_model(channels=3)
  with pytest.raises(ValueError, match=r"takes images of 3 channel\(s\), those of --data have 1"):
    bench_of(tmp_path / "a", colour, data)
  with pytest.raises(ValueError, match="There is no file .*none.keras"):
    bench_of(tmp_path / "b", str(tmp_path / "none.keras"), data)
  paper = TrainOptions(order="paper", strategy="one", batch_size=32)
  with pytest.raises(ValueError, match="--order=paper trains the super-network from the start"):
    check_recipes(bench_of(tmp_path / "c", tiny_model(), data, paper))
  encoder = TrainOptions(encoder_weights="x.h5", strategy="one", batch_size=32)
  with pytest.raises(ValueError, match="--encoder_weights are for a backbone of the package"):
    check_recipes(bench_of(tmp_path / "d", tiny_model(), data, encoder))
  loose = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(4, 3)])
  with pytest.raises(ValueError, match="takes images of any size; give --image_size"):
    bench_of(tmp_path / "e", loose, data)


@pytest.mark.parametrize(
  ("scaling", "asked", "expected"),
  [
    ((1 / 127.5, -1.0), "auto", (0.0, 255.0)),
    ((2.0, -1.0), "auto", (0.0, 1.0)),
    (None, "auto", (-1.0, 1.0)),
    (None, "0..1", (0.0, 1.0)),
  ],
)
def test_what_a_network_takes_is_seen_from_its_preprocessing(
  scaling, asked, expected, data, tmp_path
):
  bench = bench_of(tmp_path / "run", tiny_model(scaling=scaling), data, input_range=asked)
  assert bench.given.input_range == expected


@pytest.mark.parametrize("ending", forms.ENDINGS)
@pytest.mark.parametrize("input_range", [(0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)])
def test_forms_are_the_same_function(ending, input_range, randomise):
  read = reading.read_network(randomise(tiny_model(2, scaling=None, activation=None), 3))
  fed = reading.build(read)
  form = Form(*input_range, ending)
  images = np.random.default_rng(0).uniform(-1, 1, (4, SIZE, SIZE, 1)).astype("float32")
  logits = np.asarray(fed(images))
  whole = form.whole(fed, read.spec)
  outputs = np.asarray(whole(form.inputs(images)))
  expected = {
    "linear": logits,
    "softmax": np.exp(logits) / np.exp(logits).sum(-1, keepdims=True),
    "sigmoid": 1 / (1 + np.exp(-logits)),
    "one linear": logits[:, 1:] - logits[:, :1],
    "one sigmoid": 1 / (1 + np.exp(logits[:, :1] - logits[:, 1:])),
  }[ending]
  np.testing.assert_allclose(outputs, expected, atol=1e-4)  # float32, of pixels up to 255


def test_another_image_size_is_read_at_that_size(data, tmp_path):
  """A "valid" pool floors odd sizes; SAME padding, which is alike at even ones, does not."""
  layers = keras.layers
  model = keras.Sequential(
    [
      keras.Input((SIZE, SIZE, 1)),
      layers.Conv2D(8, 3, padding="same", activation="relu"),
      layers.MaxPooling2D(2),
      layers.GlobalAveragePooling2D(),
      layers.Dense(3),
    ]
  )
  spec = bench_of(tmp_path / "run", model, data, image_size=SIZE + 1).given.spec
  (pool,) = [index for index, block in enumerate(spec.blocks) if block.kind == "pool"]
  assert spec.input_shape[:2] == (SIZE + 1, SIZE + 1)
  assert spec.block_outputs()[pool][:2] == (SIZE // 2, SIZE // 2)


def test_a_file_with_the_same_weights_and_another_function_is_another_network(
  data, model, tmp_path
):
  bench = bench_of(tmp_path / "run", model, data)
  bench.open(network=bench.network_options, train=bench.train_options)
  other = tiny_model(scaling=(1 / 64, -1.0))
  other.set_weights(model.get_weights())
  other.save(bench.network_options.network)
  with pytest.raises(ValueError, match="began with another network"):
    bench_of(tmp_path / "run", bench.network_options.network, data)
