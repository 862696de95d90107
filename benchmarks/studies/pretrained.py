"""Published trained networks as Keras files, for studies that begin with one.

  python -m nadv2_tf.benchmarks.studies.pretrained --weights=FILE.npz --output=lite0.keras
  python -m nadv2_tf.benchmarks.studies.pretrained --weights=mobilenet_v1_1.0_224.tflite \\
    --data=folder:DIR --image_size=96 --output=v1.keras

A .npz is EfficientNet-Lite0 with the arrays NAME/kernel, NAME/gamma, NAME/beta, NAME/mean,
NAME/variance and fc/bias under the names of the published network's layers. The model takes images
in [-1, 1] (their own preprocessing is (pixel - 127) / 128) and gives logits. Where the file has
"check_logits", they must be the logits of
`numpy.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3))`; the largest difference is printed.

A .tflite is MobileNetV1 as TensorFlow Slim published it, float32: images in [-1, 1], logits. Its
batch norms were folded into the convolutions; they are put back with the statistics that the
images of --data have, so that the network computes what the file computes and trains as it did.
The largest difference from the file is printed.

Sources: Tan and Le, EfficientNet, 2019, Table 1; the Lite form (no squeeze-and-excite, ReLU6, stem
and head of fixed width) is in models/official/efficientnet/lite of the TensorFlow TPU repository.
Howard et al., MobileNets, 2017, Table 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  import keras

FLAGS = flags.FLAGS
#: expansion ratio, output channels, blocks, kernel, stride of every stage of EfficientNet-B0
STAGES = (
  (1, 16, 1, 3, 1),
  (6, 24, 2, 3, 2),
  (6, 40, 2, 5, 2),
  (6, 80, 3, 3, 2),
  (6, 112, 3, 5, 1),
  (6, 192, 4, 5, 2),
  (6, 320, 1, 3, 1),
)
#: output channels and stride of the depthwise separable convolutions of MobileNetV1
SEPARABLE = (
  *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
  *[(512, 1)] * 5,
  *((1024, 2), (1024, 1)),
)
#: images that put batch norms back
IMAGES = 512


def define_flags() -> None:
  flags.DEFINE_string(
    "weights", None, "The .npz of EfficientNet-Lite0, or the .tflite of MobileNetV1.", required=True
  )
  flags.DEFINE_string("data", None, "For a .tflite: images, as of nadv2-run.")
  flags.DEFINE_integer("image_size", 224, "Height and width of the images.", lower_bound=32)
  flags.DEFINE_string("output", None, "The Keras file, .keras.", required=True)


def efficientnet_lite0(image_size: int = 224, classes: int = 1000) -> keras.Model:
  """EfficientNet-Lite0, fresh weights: [batch, image_size, image_size, 3] in [-1, 1] -> logits."""
  import keras

  layers = keras.layers

  def norm(x: Any, name: str, activate: bool = True) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x) if activate else x

  images = layers.Input((image_size, image_size, 3))
  stem = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="conv_stem")
  x = norm(stem(images), "bn0")
  number = 0
  for expansion, channels, blocks, kernel, stride in STAGES:
    for repeat in range(blocks):
      name, shortcut, step = f"block{number}", x, stride if repeat == 0 else 1
      if expansion > 1:
        width = shortcut.shape[-1] * expansion
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = norm(x, f"{name}_bn0")
      depthwise = layers.DepthwiseConv2D(
        kernel, step, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
      )
      x = norm(depthwise(x), f"{name}_bn1")
      x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
      x = norm(x, f"{name}_bn2", activate=False)
      if repeat:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
      number += 1
  x = norm(layers.Conv2D(1280, 1, use_bias=False, name="conv_head")(x), "bn1")
  x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
  return keras.Model(images, layers.Dense(classes, name="fc")(x), name="efficientnet_lite0")


def fill(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
  """Gives the model's layers the arrays of their names.

  Raises:
    KeyError: naming the array, if one is missing.
  """
  for layer in model.layers:
    # block3_bn0 is block3/bn0 there.
    place = layer.name.replace("_", "/", 1) if layer.name.startswith("block") else layer.name
    names = [weight.name.removeprefix("moving_") for weight in layer.weights]
    layer.set_weights([arrays[f"{place}/{name}"] for name in names])


def mobilenet_v1(image_size: int = 224, classes: int = 1001) -> keras.Model:
  """MobileNetV1, fresh weights: [batch, image_size, image_size, 3] in [-1, 1] -> logits."""
  import keras

  layers = keras.layers

  def norm(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)

  images = layers.Input((image_size, image_size, 3))
  stem = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="Conv2d_0")
  x = norm(stem(images), "Conv2d_0")
  for number, (channels, stride) in enumerate(SEPARABLE, start=1):
    name = f"Conv2d_{number}_depthwise"
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name)(x)
    x, name = norm(x, name), f"Conv2d_{number}_pointwise"
    x = norm(layers.Conv2D(channels, 1, use_bias=False, name=name)(x), name)
  x = layers.Dropout(0.001)(layers.GlobalAveragePooling2D()(x))
  return keras.Model(images, layers.Dense(classes, name="classes")(x), name="mobilenet_v1")


def unfold(model: keras.Model, arrays: Mapping[str, np.ndarray], images: np.ndarray) -> None:
  """Gives a `mobilenet_v1` the weights of its .tflite.

  Args:
    model: changed in place.
    arrays: {name of a tensor: its values}, kernels as TFLite has them.
    images: [N, height, width, 3] in [-1, 1]; each batch norm takes the statistics of what reaches
      it, and the scale and offset with which it changes nothing.

  Raises:
    KeyError: naming the array, if one is missing.
  """
  import keras

  for layer in model.layers:
    prefix = f"MobilenetV1/{layer.name}"
    if isinstance(layer, keras.layers.DepthwiseConv2D):
      layer.set_weights([arrays[f"{prefix}/depthwise_weights"].transpose(1, 2, 3, 0)])
    elif isinstance(layer, keras.layers.Conv2D):
      layer.set_weights([arrays[f"{prefix}/weights"].transpose(1, 2, 3, 0)])
    elif isinstance(layer, keras.layers.Dense):
      kernel = arrays["MobilenetV1/Logits/Conv2d_1c_1x1/weights"][:, 0, 0].T
      layer.set_weights([kernel, arrays["MobilenetV1/Logits/Conv2d_1c_1x1/convolution_bias"]])
    elif isinstance(layer, keras.layers.BatchNormalization):
      before = keras.Model(model.input, layer.input).predict(images, verbose=0)
      mean, variance = before.mean((0, 1, 2)), before.var((0, 1, 2))
      name = layer.name.removesuffix("_bn")
      kind = "depthwise" if name.endswith("depthwise") else "convolution"
      bias = arrays[f"MobilenetV1/MobilenetV1/{name}/{kind}_bias"]
      layer.set_weights([np.sqrt(variance + layer.epsilon), bias + mean, mean, variance])


def _of_npz(path: str) -> keras.Model:
  with np.load(path) as file:
    arrays = dict(file)
  classes = len(arrays["fc/bias"])
  model = efficientnet_lite0(FLAGS.image_size, classes)
  fill(model, arrays)
  if "check_logits" in arrays:
    check = efficientnet_lite0(224, classes)
    check.set_weights(model.get_weights())
    images = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    difference = np.abs(check.predict(images, verbose=0) - arrays["check_logits"]).max()
    print(f"largest difference from check_logits: {difference:.1e}")
  return model


def _of_tflite(path: str) -> keras.Model:
  import keras
  from ai_edge_litert.interpreter import Interpreter

  from nadv2_tf.tasks.classification import Classification

  interpreter = Interpreter(path, experimental_preserve_all_tensors=True)
  interpreter.allocate_tensors()
  (given,), (last,) = interpreter.get_input_details(), interpreter.get_output_details()
  arrays = {
    item["name"]: interpreter.get_tensor(item["index"])
    for item in interpreter.get_tensor_details()
    if item["name"].endswith(("weights", "bias"))
  }
  train = Classification(FLAGS.data, FLAGS.image_size, holdout=1, seed=0).datasets().train
  some = np.random.default_rng(0).permutation(len(train))[:IMAGES]
  model = mobilenet_v1(FLAGS.image_size)
  unfold(model, arrays, train.take(some).inputs())
  check = mobilenet_v1(224)
  check.set_weights(model.get_weights())
  image = np.random.default_rng(0).uniform(-1, 1, given["shape"]).astype(np.float32)
  interpreter.set_tensor(given["index"], image)
  interpreter.invoke()
  difference = keras.ops.softmax(check(image)) - interpreter.get_tensor(last["index"])
  print(f"largest difference from the file's outputs: {np.abs(difference).max():.1e}")
  return model


def main(arguments: list[str]) -> None:
  del arguments
  is_tflite = FLAGS.weights.endswith(".tflite")
  if is_tflite and FLAGS.data is None:
    raise app.UsageError(
      "--data is needed for a .tflite: its batch norms are put back with images."
    )
  model = (_of_tflite if is_tflite else _of_npz)(FLAGS.weights)
  model.save(FLAGS.output)
  print(f"{FLAGS.output}: {model.count_params():,} parameters, {FLAGS.image_size} pixels")


if __name__ == "__main__":
  define_flags()
  app.run(main)
