"""Networks of any form: each is run as it means to be, or refused in one line that says why."""

import json

import numpy as np
import pytest
from PIL import Image

SIZE = 8
ACCURACY = 70 / 80


def bright(layers, images):
  """Tells dark from bright: half of the pixels' range is the border."""
  import keras

  dense = keras.layers.Dense(2, name="logits")
  outputs = dense(keras.layers.GlobalAveragePooling2D()(layers(images)))
  dense.set_weights([np.array([[-1.0, 1.0]] * 3, np.float32), np.zeros(2, np.float32)])
  return outputs


def models():
  """{name: model} of networks that all are right for the same images."""
  import keras

  layers = keras.layers
  plain = lambda x: x  # noqa: E731
  scaled = layers.Rescaling(1 / 127.5, -1.0)
  shape = (SIZE, SIZE, 3)
  made = {
    "plain": (keras.Input(shape), plain),
    "any_size": (keras.Input((None, None, 3)), plain),
    "any_width": (keras.Input((SIZE, None, 3)), plain),
    "batch_of_8": (keras.Input(batch_shape=(8, *shape)), plain),
    "uint8": (keras.Input(shape, dtype="uint8"), scaled),
    "int32": (keras.Input(shape, dtype="int32"), layers.Rescaling(1 / 127.5, -1.0)),
    "float16": (keras.Input(shape, dtype="float16"), plain),
    "bytes_as_floats": (keras.Input(shape), layers.Rescaling(1 / 127.5, -1.0)),
    "from_0_to_1": (keras.Input(shape), layers.Rescaling(2.0, -1.0)),
    # Layers that no spec has: only the first ones tell what it takes.
    "unread": (
      keras.Input(shape),
      lambda x: layers.Permute((2, 1, 3))(layers.Rescaling(1 / 127.5, -1.0)(x)),
    ),
  }
  return {name: keras.Model(x, bright(first, x), name=name) for name, (x, first) in made.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with the networks, and data.npz: 80 images for training and as many for tests."""
  import keras

  folder = tmp_path_factory.mktemp("forms")
  rng, labels = np.random.default_rng(0), np.arange(80) % 2
  images = rng.integers(0, 60, (80, SIZE, SIZE, 3)) + 60 + 75 * labels[:, None, None, None]
  images, labels = images.astype(np.uint8), np.where(np.arange(80) < 10, 1 - labels, labels)
  np.savez(folder / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
  made = models()
  for name, model in made.items():
    model.save(folder / f"{name}.keras")
  x, logits = made["plain"].inputs[0], made["plain"].outputs[0]
  other = keras.Input((4,))
  vector = keras.Input((10,))
  for name, model in {
    "two_outputs": keras.Model(x, [logits, keras.layers.Softmax()(logits)]),
    "by_name": keras.Model(x, {"logits": logits}),
    "two_inputs": keras.Model([x, other], keras.layers.Concatenate()([logits, other])),
    "no_image": keras.Model(vector, keras.layers.Dense(2)(vector)),
    "a_clip": keras.Sequential([keras.Input((4, 8, 8, 3)), keras.layers.Flatten()]),
    "unbuilt": keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)]),
    "any_channels": keras.Sequential(
      [keras.Input((SIZE, SIZE, None)), keras.layers.ReLU(), keras.layers.GlobalMaxPooling2D()]
    ),
  }.items():
    model.save(folder / f"{name}.keras")
  for name, image in (("two_outputs", x), ("no_image", vector)):
    write_tflite(folder, name, keras.saving.load_model(folder / f"{name}.keras"), image.shape[1:])
  write_tflite(folder, "any_size", made["any_size"], (None, None, 3))
  write_tflite(folder, "batch", made["plain"], (SIZE, SIZE, 3), batch=4)
  write_tflite(folder, "bytes", made["uint8"], (SIZE, SIZE, 3), dtype="uint8")
  ranges = images[:40].astype(np.float32) / 127.5 - 1
  write_tflite(folder, "quantized", made["plain"], (SIZE, SIZE, 3), ranges=ranges)
  return folder


def write_tflite(folder, name, model, shape, batch=1, dtype="float32", ranges=None):
  """As others write files: by TensorFlow's own converter, without metadata."""
  import tensorflow as tf

  from nadv2_tf.export.quiet import quiet_stderr

  function = tf.function(lambda images: model(images, training=False), autograph=False)
  signature = tf.TensorSpec((batch, *shape), dtype)
  converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [function.get_concrete_function(signature)]
  )
  if ranges is not None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in ranges)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
  with quiet_stderr():
    (folder / f"{name}.tflite").write_bytes(converter.convert())


@pytest.fixture
def evaluate(run_command, folder):
  """Function (file, *flags) -> what nadv2-evaluate prints."""

  def run(name, *flags):
    data = f"--data=npz:{folder / 'data.npz'}"
    status, printed, stderr = run_command("evaluate", f"--network={folder / name}", data, *flags)
    assert status == 0, stderr
    return printed

  return run


@pytest.mark.parametrize(
  ("name", "takes"),
  [
    ("plain.keras", "-1..1: it does not preprocess them"),
    ("batch_of_8.keras", "-1..1: "),
    ("uint8.keras", "0..255: it "),
    ("int32.keras", "0..255: it "),
    ("float16.keras", "-1..1: "),
    ("bytes_as_floats.keras", "0..255: it preprocesses them itself"),
    ("from_0_to_1.keras", "0..1: it multiplies them by 2 itself"),
    ("unread.keras", "0..255: it preprocesses them itself"),
    ("batch.tflite", "-1..1: "),
    ("bytes.tflite", "0..255: "),
    ("quantized.tflite", "-"),
  ],
)
def test_a_network_is_fed_what_it_takes(evaluate, name, takes):
  printed = evaluate(name)
  assert f"top-1  {ACCURACY:.2%} of 80 images" in printed
  assert f"network: it takes pixels as {takes}" in printed


@pytest.mark.parametrize("name", ["any_size.keras", "any_size.tflite", "any_width.keras"])
def test_an_image_size_fixes_a_network_of_any_size(run_command, evaluate, folder, fails, name):
  data = f"--data=npz:{folder / 'data.npz'}"
  fails(f"{name} takes images of any size; give --image_size", "evaluate",
        f"--network={folder / name}", data)  # fmt: skip
  assert f"top-1  {ACCURACY:.2%}" in evaluate(name, f"--image_size={SIZE}")


def test_a_size_that_a_network_does_not_take_is_refused(folder, fails, output):
  data = f"--data=npz:{folder / 'data.npz'}"
  for command, name, takes in (
    ("evaluate", "plain.keras", "8x8"),
    ("evaluate", "any_width.keras", "8xany"),
    ("evaluate", "bytes.tflite", "8x8"),
    ("export", "plain.keras", "8x8"),
  ):
    there = [f"--output={output}"] if command == "export" else []
    message = f"{name} takes images of {takes}, not of --image_size=16; leave it out"
    fails(message, command, f"--network={folder / name}", data, "--image_size=16", *there)


def test_what_is_exported_of_a_network_of_any_size_has_one(run_command, folder, fails, output):
  network = f"--network={folder / 'any_size.keras'}"
  there = f"--output={output}"
  fails("any_size.keras takes images of any size; give --image_size", "export", network, there)
  status, _, stderr = run_command("export", network, there, "--image_size=16")
  assert status == 0, stderr
  from nadv2_tf.export import interpreter

  (image,) = interpreter(output / "any_size.tflite").get_input_details()
  assert image["shape_signature"].tolist() == [1, 16, 16, 3]
  fails("takes 'images' of any size.*nadv2-export --image_size makes it", "time",
        f"--tflite={folder / 'any_size.tflite'}")  # fmt: skip


@pytest.mark.parametrize(
  ("name", "says"),
  [
    ("two_outputs.keras", r"gives \[2\], \[2\]; one image.*keras.Model\(model.inputs\[0\]"),
    ("by_name.keras", r"gives \[2\] by name; one image, .*are needed"),
    ("two_inputs.keras", r"takes \[8, 8, 3\], \[4\] and gives \[6\]; one image"),
    ("no_image.keras", r"takes \[10\] and gives \[2\]; one image"),
    ("a_clip.keras", r"takes \[4, 8, 8, 3\] and gives \[768\]; one image"),
    ("unbuilt.keras", r"was never built.*keras.Input"),
    ("any_channels.keras", r"any number of channels"),
    ("two_outputs.tflite", r"gives \[2\], \[2\]; one image"),
    ("no_image.tflite", r"takes \[10\] and gives \[2\]; one image"),
  ],
)
def test_a_network_of_another_form_is_one_line(folder, fails, output, name, says):
  network, data = f"--network={folder / name}", f"--data=npz:{folder / 'data.npz'}"
  fails(f"--network={folder / name} .*{says}", "evaluate", network, data)
  if not name.endswith(".keras"):
    return
  fails(f"--network={folder / name} .*{says}", "export", network, f"--output={output}")
  assert not output.exists()
  if name != "by_name.keras":  # what is searched is cut anew, whatever its outputs were called
    fails("mind|image|built|outputs", "count", network)
    fails("image|built|outputs", "run", network, data, f"--output={output}")


@pytest.mark.parametrize("mode", ["none", "int8"])
@pytest.mark.parametrize("name", ["uint8", "bytes_as_floats"])
def test_a_file_takes_what_its_network_took(run_command, folder, evaluate, output, name, mode):
  """80 images are fewer than the gate wants, and enough: all of them are compared."""
  status, printed, stderr = run_command(
    *("export", f"--network={folder / name}.keras", f"--data=npz:{folder / 'data.npz'}"),
    *(f"--output={output}", f"--quantization={mode}"),
  )
  assert status == 0, stderr
  assert "takes pixels as 0..255" in printed and "against Keras on 80 images" in printed
  assert "at chance" not in printed
  file = output / (f"{name}.tflite" if mode == "none" else f"{name}_{mode}.tflite")
  found = json.loads(evaluate(file, "--json"))
  assert found["accuracy"] == pytest.approx(ACCURACY, abs=0 if mode == "none" else 0.02)
  from nadv2_tf.export import interpreter

  dtype = np.uint8 if name == "uint8" else np.float32
  assert interpreter(file).get_input_details()[0]["dtype"] == dtype


def test_a_range_that_integers_are_not_of_is_refused(fails, folder):
  flags = [f"--network={folder / 'uint8.keras'}", f"--data=npz:{folder / 'data.npz'}"]
  fails("takes integers, which --input_range=0..1 is not for", "evaluate", *flags,
        "--input_range=0..1")  # fmt: skip


# --- the gate


@pytest.fixture
def changed(folder, tmp_path):
  """Function (name, matrix, bias) -> flags of `plain` with other weights."""
  import keras

  def make(name, matrix, bias):
    model = keras.saving.load_model(folder / "plain.keras", compile=False)
    model.get_layer("logits").set_weights([np.array(matrix, np.float32), np.array(bias, float)])
    model.save(tmp_path / f"{name}.keras")
    return [f"--network={tmp_path / name}.keras", f"--data=npz:{folder / 'data.npz'}"]

  return make


@pytest.mark.parametrize(
  ("matrix", "bias"),
  [([[0, 0]] * 3, [0, 0]), ([[0, 0]] * 3, [3, -2]), ([[1e-6, -1e-6]] * 3, [3, -2])],
  ids=["dead", "one class", "hardly"],
)
def test_a_gate_that_cannot_judge_says_so(fails, changed, output, matrix, bias):
  flags = changed("same", matrix, bias)
  message = "The gate cannot judge this file: the network says nearly the same of all 80 images"
  fails(message, "export", *flags, f"--output={output}")
  fails(message.replace("80", "64"), "export", flags[0], f"--output={output}")
  assert not list(output.glob("*.tflite"))


def test_a_network_at_chance_is_named(run_command, evaluate, changed, output):
  flags = changed("random", [[1, -1], [-1, 1], [0, 0]], [0, 0])
  status, printed, stderr = run_command("export", *flags, f"--output={output}")
  assert status == 0, stderr
  told = "this network is at chance: one that says the same of every image has accuracy 50.00%"
  assert told in printed
  assert told in run_command("evaluate", *flags)[1] and told not in evaluate("plain.keras")
  assert json.loads((output / "random.export.json").read_text())["chance"] == 0.5


# --- data of another kind


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_images_of_other_channels_are_refused_alike(fails, folder, tmp_path, output, command):
  import keras

  keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]).save(
    tmp_path / "grey.keras"
  )
  for part in ("train", "test"):
    for label in ("a", "b"):
      place = tmp_path / "photos" / part / label
      place.mkdir(parents=True)
      for number in range(3):
        Image.new("RGB", (9, 9), (number, 40, 80)).save(place / f"{number}.png")
  there = [f"--output={output}"] if command == "export" else []
  data = f"--data=folder:{tmp_path / 'photos'}"
  fails(rf"grey.keras takes images of 1 channel\(s\), {data} has 3", command,
        f"--network={tmp_path / 'grey.keras'}", data, *there)  # fmt: skip
  three = tmp_path / "three.keras"
  keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]).save(
    three
  )
  fails("tells 3 classes apart, .* has 2", command, f"--network={three}", data, *there)
  assert not output.exists()
