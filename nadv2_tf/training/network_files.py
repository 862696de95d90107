"""Networks and weights in Keras' own files: written whole, read without running code from them."""

from __future__ import annotations

import contextlib
import json
import pathlib
import warnings
import zipfile
from typing import TYPE_CHECKING

import keras

from nadv2_tf.spec.files import move_into_place, partial_beside

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  from nadv2_tf.types import AnyPath

#: a config of the largest published network has 0.2 MB
LARGEST_CONFIG = 64 * 2**20
#: of one axis of an array or one setting of a layer
LARGEST_SIZE = 2**24


def save_atomically(save: Callable[[pathlib.Path], object], path: AnyPath) -> None:
  """Calls `save(path)` so that the file appears whole or not at all.

  Raises:
    OSError: naming the path, if the disk is full or the folder cannot be written.
  """
  path = pathlib.Path(path)
  temporary = partial_beside(path)  # Keras wants the name to end as it does
  try:
    save(temporary)
    move_into_place(temporary, path)
  except BaseException as error:
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    if isinstance(error, (OSError, RuntimeError)):  # HDF5 quotes its own stack over many lines
      raise OSError(getattr(error, "errno", None), reason(error), str(path)) from None
    raise


def load_weights(model: keras.Model, path: AnyPath) -> None:
  """Reads a `.weights.h5` file.

  Raises:
    ValueError: naming the file, if it is damaged or of another network.
  """
  try:
    with warnings.catch_warnings():
      # Keras only warns of weights that the file does not have, and leaves them as they are.
      warnings.simplefilter("error", UserWarning)
      model.load_weights(path)
  except Exception as error:  # HDF5 and Keras raise whatever the damaged part raises
    raise ValueError(
      f"{path} cannot be read as weights of {model.name!r}, it is damaged or of another network: "
      f"{reason(error)}"
    ) from None


def load_keras(path: AnyPath) -> keras.Model:
  """A .keras file, read without running code from it.

  Raises:
    ValueError: naming the file, if it is no Keras model.
  """
  path = pathlib.Path(path)
  if path.suffix != ".keras" or not path.is_file():
    raise ValueError(f"{path} is not a .keras file.")
  try:
    check_numbers(stored_config(path))
    return keras.saving.load_model(path, compile=False, safe_mode=True)
  except Exception as error:  # Keras raises whatever the damaged part raises
    raise ValueError(f"{path} cannot be read as a Keras model: {reason(error)}") from None


def stored_config(path: pathlib.Path) -> Any:
  """The description of the model in a .keras file.

  Raises:
    ValueError: if it is far larger than that of any published network.
  """
  with zipfile.ZipFile(path) as archive:
    size = archive.getinfo("config.json").file_size
    if size > LARGEST_CONFIG:
      raise ValueError(f"its config.json has {size} bytes")
    return json.loads(archive.read("config.json"))


def check_numbers(config: Any) -> None:
  """Refuses the description of a model that would be far larger than its file.

  Keras refuses parts that unpack to far more than they take, and code; it would build a layer of
  any size.
  """
  values = [config]
  while values:
    value = values.pop()
    if isinstance(value, dict):
      # Keras numbers shared objects by their addresses.
      values.extend(item for name, item in value.items() if name != "shared_object_id")
    elif isinstance(value, list):
      values.extend(value)
    elif isinstance(value, int) and abs(value) > LARGEST_SIZE:
      raise ValueError(f"its config.json has the number {value}; at most {LARGEST_SIZE} is built")


def reason(error: BaseException) -> str:
  """The text of an error, in one line."""
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  return " ".join(lines) or type(error).__name__
