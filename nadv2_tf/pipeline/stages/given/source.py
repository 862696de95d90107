"""Where a given network comes from: a Keras file, or keras.applications."""

from __future__ import annotations

import hashlib
import pathlib
import re
from typing import TYPE_CHECKING

import keras
import numpy as np

from nadv2_tf import reading
from nadv2_tf.options.network import INPUT_RANGES
from nadv2_tf.pipeline.stages.given import applications
from nadv2_tf.training.image_network import check_ends

if TYPE_CHECKING:
  from nadv2_tf.options import NetworkOptions
  from nadv2_tf.reading import ReadNetwork
  from nadv2_tf.types import AnyPath

#: scales of a network's own preprocessing above this are for pixels from 0 to 1: others would give
#: it values of hundreds
LARGEST_SCALE = 1.5
#: in which preprocessing is looked for, behind the input and what only trains
FIRST_LAYERS = 4


def flag_of(options: NetworkOptions) -> str:
  """What names the network in messages: "--network=FILE" or "--backbone=keras:NAME"."""
  if options.network:
    return f"--network={options.network}"
  return f"--backbone={options.backbone}"


def file_of(options: NetworkOptions) -> pathlib.Path | None:
  """The file that the weights are read from, None if they are in no file of the user's."""
  path = options.network or options.weights
  return pathlib.Path(path) if path and path not in ("imagenet", "none") else None


def digest_of_file(path: AnyPath) -> str:
  """Text that other files hardly share."""
  with pathlib.Path(path).open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def load(options: NetworkOptions) -> keras.Model:
  """The Keras model that `NetworkOptions` name.

  Raises:
    ValueError: in one line, if it cannot be had.
  """
  if options.network:
    return reading.load_model(options.network)
  return applications.load(options.backbone, options.weights or "imagenet")


def read(model: keras.Model, options: NetworkOptions, size: int | None = None) -> ReadNetwork:
  """`model` as a spec with weights, for images of `size`.

  Args:
    size: height and width; None for the model's own size or, if it has none, --image_size.

  Raises:
    ValueError: in one line, if it has a layer that no spec has, or no size at all.
  """
  check_ends(model, flag_of(options))
  height, width, channels = model.inputs[0].shape[1:]
  shape = None
  if height is None or width is None:
    if not options.image_size:
      raise ValueError(f"{flag_of(options)} takes images of any size; give --image_size.")
    shape = (options.image_size, options.image_size, channels)
  elif size:
    shape = (size, size, channels)
  elif height != width and not options.image_size:
    raise ValueError(
      f"{flag_of(options)} takes images of {height}x{width}; only squares can be searched, give "
      "--image_size."
    )
  return reading.read_network(model, name_of(options), shape)


def name_of(options: NetworkOptions) -> str:
  """The name of the spec."""
  name = pathlib.Path(options.network).stem if options.network else options.backbone
  return re.sub(r"[^\w.-]", "_", name.rpartition(":")[2]) or "network"


def input_range_of(
  model: keras.Model, found: ReadNetwork, options: NetworkOptions
) -> tuple[tuple[float, float], str]:
  """((what black is, what white is), why) for the network as it was read."""
  if options.input_range != "auto":
    return INPUT_RANGES[options.input_range], "as --input_range says"
  named = applications.input_range(options.backbone) if not options.network else None
  if named:
    return named, "as keras.applications has it"
  return own_range(model, found)


def own_range(model: keras.Model, found: ReadNetwork | None) -> tuple[tuple[float, float], str]:
  """((what black is, what white is), why) as far as the network itself tells.

  Args:
    model: of one image.
    found: the network as it was read; None: it cannot be, and only its first layers are looked at.
  """
  scale = None
  if found is None:
    scale = next(filter(None, map(_scale_of, model.layers[:FIRST_LAYERS])), None)
  elif found.spec.blocks[0].kind == "rescale":
    scale = min(map(abs, found.spec.blocks[0].scale))
  if scale is not None:
    if scale > LARGEST_SCALE:
      return INPUT_RANGES["0..1"], f"it multiplies them by {scale:g} itself"
    return INPUT_RANGES["0..255"], "it preprocesses them itself"
  if "int" in str(model.inputs[0].dtype):
    return INPUT_RANGES["0..255"], "it takes integers"
  return INPUT_RANGES["-1..1"], "it does not preprocess them; another range: --input_range"


def _scale_of(layer: keras.layers.Layer) -> float | None:
  """What a layer that preprocesses multiplies by; None: it is none."""
  if isinstance(layer, keras.layers.Rescaling):
    return float(np.abs(layer.scale).min())
  if isinstance(layer, keras.layers.Normalization):
    variance = layer.input_variance if layer.variance is None else layer.variance
    return float(1 / np.sqrt(np.max(keras.ops.convert_to_numpy(variance))))
  return None
