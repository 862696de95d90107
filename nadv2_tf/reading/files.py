"""Keras models in files, read without running code from them."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING

import keras

from nadv2_tf.reading import old_files
from nadv2_tf.reading.errors import ReadError, innermost
from nadv2_tf.reading.foreign import foreign, not_of_keras
from nadv2_tf.reading.operations import OPERATIONS
from nadv2_tf.training.network_files import check_numbers, load_keras, reason, stored_config

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.types import AnyPath

SAVED_MODEL = "saved_model.pb"
SAVED_MODEL_WAY_OUT = (
  "is a SavedModel, whose layers cannot be read; load it with the Keras that wrote it (tf_keras, "
  "TF_USE_LEGACY_KERAS=1) and save it as a .h5 file"
)


def load_model(path: AnyPath) -> keras.Model:
  """The model of a .keras or .h5 file.

  Raises:
    ReadError: in one line, if the file is of another kind, damaged, or of a model with code or
      layers of its own, which it names.
  """
  path = pathlib.Path(path)
  if path.is_dir() and (path / SAVED_MODEL).is_file() or path.name == SAVED_MODEL:
    raise ReadError(f"{path} {SAVED_MODEL_WAY_OUT}.")
  if not path.exists():
    raise ReadError(f"There is no file {path}.")
  if path.suffix not in (".keras", ".h5", ".hdf5") or not path.is_file():
    raise ReadError(f"{path} is not a .keras or .h5 file.")
  try:
    config = stored_config(path) if path.suffix == ".keras" else old_files.config_of(path)
    right = config if path.suffix == ".keras" else old_files.put_right(config)
  except Exception as error:  # zip, HDF5 and JSON raise whatever the damaged part raises
    raise ReadError(f"{path} cannot be read as a Keras model: {reason(error)}") from None
  problem = foreign(config)
  if not problem and path.suffix != ".keras":
    problem = old_files.another_function(path, config) or old_files.unknown_operator(right)
  if problem:
    raise ReadError(f"{path} cannot be read: {problem}.")
  try:
    if path.suffix == ".keras":
      return load_keras(path)
    check_numbers(config)
    with old_files.readable(path, right) as copy:
      own = {"Operator": old_files.Operator}
      return keras.saving.load_model(copy, custom_objects=own, compile=False, safe_mode=True)
  except Exception as error:  # Keras raises whatever the damaged part raises
    begin = f"{path} cannot be read as a Keras model: "
    text = _own_words(reason(error).removeprefix(begin), config)
    raise ReadError(text if str(path) in text else f"{begin}{text}") from None


def _own_words(text: str, config: Any) -> str:
  """What Keras says of a file, without its advice to run code and the descriptions it quotes."""
  unknown = re.search(r"Unknown layer: '?([\w>]+)'?", text)
  if unknown is None:
    return innermost(text)
  if unknown[1] in OPERATIONS:
    return (
      f"it has the operator {unknown[1]}, which Keras does not read from .h5 files; save the model "
      "as a .keras file"
    )
  return not_of_keras(unknown[1], config)
