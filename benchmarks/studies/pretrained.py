"""Published trained networks as Keras files, for studies that begin with one.

  python -m nadv2_tf.benchmarks.studies.pretrained --weights=FILE.npz --output=lite0.keras

--weights is a .npz of EfficientNet-Lite0 with the arrays NAME/kernel, NAME/gamma, NAME/beta,
NAME/mean, NAME/variance and fc/bias under the names of the published network's layers. The model
takes images in [-1, 1] (their own preprocessing is (pixel - 127) / 128) and gives logits.

Where the file has "check_logits", they must be the logits of
`numpy.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3))`; the largest difference is printed.

Source: Tan and Le, EfficientNet, 2019, Table 1; the Lite form (no squeeze-and-excite, ReLU6, stem
and head of fixed width) is in models/official/efficientnet/lite of the TensorFlow TPU repository.
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


def define_flags() -> None:
  flags.DEFINE_string("weights", None, "The .npz of EfficientNet-Lite0.", required=True)
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


def main(arguments: list[str]) -> None:
  del arguments
  with np.load(FLAGS.weights) as file:
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
  model.save(FLAGS.output)
  print(f"{FLAGS.output}: {model.count_params():,} parameters, {FLAGS.image_size} pixels")


if __name__ == "__main__":
  define_flags()
  app.run(main)
