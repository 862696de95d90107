"""Reads networks from files for the programs."""

import pathlib


def load_keras(path):
  """A .keras file, read without running code from it.

  Raises:
    ValueError: naming the file, if it is no Keras model.
  """
  import keras

  path = pathlib.Path(path)
  if path.suffix != ".keras" or not path.is_file():
    raise ValueError(f"{path} is not a .keras file.")
  try:
    return keras.saving.load_model(path, compile=False, safe_mode=True)
  except Exception as error:  # Keras raises whatever the damaged part raises
    raise ValueError(f"{path} cannot be read as a Keras model: {error}") from None
