"""Trained weights for a backbone of the package: of all its layers, or of an encoder's.

`--weights=FILE` takes a .keras file of the backbone itself, such as full.keras of another run; its
classifier may be for other classes. Any other file is read as `--encoder_weights` is.
"""

from __future__ import annotations

import functools
import pathlib
import zipfile
from typing import TYPE_CHECKING

from nadv2_tf.models import slice_network, stand_alone
from nadv2_tf.models.parts.names import layer_name
from nadv2_tf.models.slicing import fill_super_network
from nadv2_tf.options.network import is_given
from nadv2_tf.pipeline.stages import encoder_weights
from nadv2_tf.training.network_files import load_keras

if TYPE_CHECKING:
  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.pipeline.stages.encoder_weights import AnyExamples
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.spec import NetworkSpec

#: the first layer of every network that `stand_alone` made begins so
OWN_NAME = "block01_"


def path_of(bench: Workbench) -> str | None:
  """The file that the backbone of a run begins with, if any.

  Raises:
    ValueError: if two are given, or one for a network that has weights.
  """
  encoder, given = bench.train_options.encoder_weights, bench.network_options.weights
  if is_given(bench.network_options):
    if encoder:
      raise ValueError(
        "--encoder_weights are for a backbone of the package; a given network has its own."
      )
    return None
  given = None if given == "none" else given
  if encoder and given:
    raise ValueError("--encoder_weights and --weights name two beginnings; give one of them.")
  if given and not pathlib.Path(given).is_file():
    raise ValueError(f"--weights: there is no file {given}.")
  return encoder or given


def lacks_statistics(bench: Workbench) -> bool:
  """Whether the weights of the run's file are no whole network's, with its own statistics."""
  path = path_of(bench)
  return path is not None and not is_whole(path)


@functools.lru_cache(maxsize=4)
def is_whole(file: str) -> bool:
  """Whether a file is of a network that this package made, rather than of an encoder."""
  path = pathlib.Path(file)
  if path.suffix != ".keras" or not zipfile.is_zipfile(path):
    return False
  return any(layer.name.startswith(OWN_NAME) for layer in load_keras(path).layers)


def check(path: str, network: NetworkSpec) -> None:
  """Raises ValueError if the weights in a file are not for `network`."""
  if is_whole(path):
    _copied(path, stand_alone(network), network)
  else:
    encoder_weights.match(path, network)


def load(path: str, super_model: SuperNetwork, train: AnyExamples) -> int:
  """Puts a file's weights into the super-network; returns how many layers were taken.

  Raises:
    ValueError: if the file cannot be read, or is not for this backbone.
  """
  if not is_whole(path):
    return encoder_weights.load(path, super_model, train)
  network = super_model.space.largest()
  model = slice_network(super_model, network)
  taken = _copied(path, model, network)
  fill_super_network(super_model, model)
  return taken


def _copied(path: str, model: keras.Model, network: NetworkSpec) -> int:
  """Copies a file's weights into `model`; all but those of another number of classes must fit."""
  loaded = {layer.name: layer for layer in load_keras(path).layers}
  classifier, taken = layer_name(len(network.blocks) - 1, "classes"), 0
  for layer in model.layers:
    if not layer.weights:
      continue
    there = loaded[layer.name].get_weights() if layer.name in loaded else []
    wanted = [tuple(weight.shape) for weight in layer.weights]
    if [array.shape for array in there] == wanted:
      layer.set_weights(there)
      taken += 1
    elif layer.name != classifier:
      raise ValueError(
        f"--weights={path}: its layer {layer.name} has {[list(one.shape) for one in there]}, "
        f"{network.name!r} has {[list(shape) for shape in wanted]}; the file must be of the same "
        "backbone, its full network."
      )
  return taken
