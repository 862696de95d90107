"""Networks of keras.applications by name, with their trained weights and their preprocessing."""

from __future__ import annotations

import inspect
import os
import pathlib
import re
import sys
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf import reading
from nadv2_tf.options.network import INPUT_RANGES, KERAS

if TYPE_CHECKING:
  from collections.abc import Callable

IMAGENET, NONE = "imagenet", "none"


def names() -> list[str]:
  """Of all networks that there are."""
  found = vars(keras.applications).items()
  return sorted(name for name, value in found if inspect.isfunction(value))


def load(backbone: str, weights: str) -> keras.Model:
  """A network of keras.applications that takes RGB images, of 0 to 255 or of -1 to 1.

  What Keras preprocesses outside of a network beyond a range (means of channels, their order)
  becomes a part of it.

  Args:
    backbone: keras:NAME.
    weights: "imagenet", "none", or a file.

  Raises:
    ValueError: in one line, for a name that there is not, or weights that cannot be had.
  """
  make = _maker(backbone)
  if weights == IMAGENET:
    model = _fetched(make, backbone)
  else:
    model = make(weights=None)
    if weights != NONE:
      model = _with_file(make, model, backbone, weights)
  return model if input_range(backbone) in _plain_ranges() else _preprocessing(model, make)


def input_range(backbone: str) -> tuple[float, float]:
  """(what black is, what white is) for the network that `load` gives."""
  black, white, _ = _preprocessed(_maker(backbone))
  found = (float(black[0]), float(white[0]))
  is_plain = np.ptp(black) == np.ptp(white) == 0 and found in _plain_ranges()
  return found if is_plain else INPUT_RANGES["0..255"]


def _plain_ranges() -> list[tuple[float, float]]:
  return list(INPUT_RANGES.values())


def _maker(backbone: str) -> Callable[..., keras.Model]:
  name = backbone.removeprefix(KERAS)
  if name not in names():
    raise ValueError(
      f"--backbone={backbone}: keras.applications has no {name!r}; it has {', '.join(names())}."
    )
  return getattr(keras.applications, name)


def _fetched(make: Callable[..., keras.Model], backbone: str) -> keras.Model:
  try:
    return make(weights="imagenet")
  except Exception as error:  # Keras raises a plain one where a file cannot be fetched
    address = re.search(r"https?://[^\s'\"]+\.h5", str(error))
    if not address:
      raise
    # Where Keras looks before it fetches.
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    folder = home / "models"
    raise ValueError(
      f"--backbone={backbone} --weights=imagenet: Keras cannot fetch the weights here. Put "
      f"{address[0]} at {folder / address[0].rpartition('/')[2]}, or give another with "
      "--weights=FILE, or --weights=none."
    ) from None


def _with_file(
  make: Callable[..., keras.Model], model: keras.Model, backbone: str, path: str
) -> keras.Model:
  """`model` with the weights of a file, or the same without its classifier if the file has none."""
  if not pathlib.Path(path).is_file():
    raise ValueError(f"--weights: there is no file {path}.")
  if path.endswith(".keras"):
    return _same_layers(model, reading.load_model(path), backbone, path)
  if not path.endswith(".h5"):
    raise ValueError(f"--weights must be imagenet, none, a .keras or a .h5 file, got {path}.")
  problem = ""
  for tried in (model, make(weights=None, include_top=False, pooling="avg")):
    try:
      tried.load_weights(path)
      return tried
    except Exception as error:  # of another network, or damaged: HDF5 raises whatever it likes
      problem = problem or " ".join(str(error).split())
  raise ValueError(f"--weights={path} cannot be read as weights of {backbone}: {problem}")


def _same_layers(model: keras.Model, loaded: keras.Model, backbone: str, path: str) -> keras.Model:
  arrays = loaded.get_weights()
  if [one.shape for one in arrays] != [one.shape for one in model.get_weights()]:
    raise ValueError(
      f"--weights={path} is another network than {backbone}; --network={path} reads it as it is."
    )
  model.set_weights(arrays)
  return model


def _preprocessed(make: Callable[..., keras.Model]) -> tuple[np.ndarray, np.ndarray, bool]:
  """(what black becomes, what white becomes, whether red and blue change places), [channels]."""
  preprocess = getattr(sys.modules[make.__module__], "preprocess_input")  # noqa: B009
  pixels = np.zeros((1, 1, 3, 3), np.float32)
  pixels[0, 0, 1] = 255.0
  pixels[0, 0, 2] = (255.0, 0.0, 0.0)
  black, white, red = np.asarray(preprocess(pixels.copy(), data_format="channels_last"))[0, 0]
  return black, white, bool(abs(red[2] - black[2]) > abs(red[0] - black[0]))


def _preprocessing(model: keras.Model, make: Callable[..., keras.Model]) -> keras.Model:
  """`model` of RGB pixels from 0 to 255: what is done to them before is done in it."""
  black, white, is_turned = _preprocessed(make)
  if is_turned:
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    kernel, *others = first.get_weights()
    first.set_weights([kernel[:, :, ::-1], *others])
    black, white = black[::-1], white[::-1]
  scale = (white - black) / 255.0
  # (x - mean) / sqrt(variance) is x * scale + black.
  layer: Any = keras.layers.Normalization(
    mean=(-black / scale).tolist(), variance=(1 / scale**2).tolist()
  )
  return keras.Sequential([keras.Input(model.inputs[0].shape[1:]), layer, model], name=model.name)
