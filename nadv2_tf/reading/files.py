"""Keras models in files, read without running code from them."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING

import keras

from nadv2_tf.reading import old_files
from nadv2_tf.reading.errors import ReadError
from nadv2_tf.training.network_files import check_numbers, load_keras, reason, stored_config

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.types import AnyPath

SAVED_MODEL = "saved_model.pb"
SAVED_MODEL_WAY_OUT = (
  "is a SavedModel, whose layers cannot be read; load it with the Keras that wrote it (tf_keras, "
  "TF_USE_LEGACY_KERAS=1) and save it as a .h5 file"
)
LAMBDA_WAY_OUT = (
  "is code, and none in a file is run; write it with keras.ops or layers of Keras and save the "
  "model again"
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
  except Exception as error:  # zip, HDF5 and JSON raise whatever the damaged part raises
    raise ReadError(f"{path} cannot be read as a Keras model: {reason(error)}") from None
  foreign = _foreign(config)
  if not foreign and path.suffix != ".keras":
    foreign = old_files.another_function(path, config)
  if foreign:
    raise ReadError(f"{path} cannot be read: {foreign}.")
  try:
    if path.suffix == ".keras":
      return load_keras(path)
    check_numbers(config)
    with old_files.readable(path, old_files.put_right(config)) as copy:
      own = {"Operator": old_files.Operator}
      return keras.saving.load_model(copy, custom_objects=own, compile=False, safe_mode=True)
  except Exception as error:  # Keras raises whatever the damaged part raises
    prefix = "" if str(path) in str(error) else f"{path} cannot be read as a Keras model: "
    raise ReadError(f"{prefix}{_own_words(reason(error))}") from None


def _own_words(text: str) -> str:
  """What Keras says of a layer that it does not know, without its advice to run its code."""
  unknown = re.search(r"Unknown layer: '?([\w>]+)'?", text)
  if unknown is None:
    return text
  if unknown[1] == "TFOpLambda":
    return (
      "it has an operator of tf_keras that Keras 3 does not know; sums, products, quotients and "
      "activations would be understood, or write it with layers, such as Rescaling"
    )
  return f"{unknown[1]!r} is not a layer of Keras; Keras's own layers would be understood"


def _foreign(config: Any) -> str:
  """What in a config is neither Keras's nor data, "" if nothing is."""
  values = [config]
  while values:
    value = values.pop()
    if isinstance(value, dict):
      kind, module = value.get("class_name"), value.get("module")
      if isinstance(kind, str) and "config" in value:
        settings = value["config"] if isinstance(value["config"], dict) else {}
        name = settings.get("name", kind)
        if kind == "Lambda":
          return f"the Lambda layer {name!r} {LAMBDA_WAY_OUT}"
        if isinstance(module, str) and module.startswith("tf_keras"):
          return "it was saved by tf_keras; load it there and save it as a .h5 file"
        registered = value.get("registered_name")
        is_own = isinstance(module, str) and module.split(".")[0] not in ("keras", "builtins")
        # Older files have no modules; a name that was registered has its package in front.
        if is_own or (module is None and any(map(_is_registered, (kind, registered)))):
          return (
            f"{name!r} is a {kind}, which is not of Keras; Keras's own layers would be understood"
          )
      values.extend(value.values())
    elif isinstance(value, list):
      values.extend(value)
  return ""


def _is_registered(registered: Any) -> bool:
  return isinstance(registered, str) and ">" in registered and not registered.startswith("keras")
