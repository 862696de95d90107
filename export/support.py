"""Imports the metadata writers of tflite-support, which ask for more than most hosts have."""

import ctypes
import importlib
import importlib.util

METADATA_WRITERS = "tensorflow_lite_support.metadata.python.metadata_writers"


def has_metadata_writers():
  """Whether tflite-support is installed; it has no wheel above Python 3.11."""
  return importlib.util.find_spec("tensorflow_lite_support") is not None


def load_metadata_writer(name):
  """A module of tflite-support's metadata writers, such as "image_classifier".

  The package `tflite_support` itself is not imported: beside the writers it loads the Task
  Library's bindings, and with TensorFlow 2.19 in the same process these fail (both register the
  type StatusCode). The writers link against libusb-1.0.so.0 although they use no USB device; the
  package libusb-package carries that library, and loaded first it satisfies the linker without
  root rights.

  Raises:
    ImportError: saying why, where there is no wheel (Python 3.12 and newer).
  """
  try:
    ctypes.CDLL("libusb-1.0.so.0", mode=ctypes.RTLD_GLOBAL)
  except OSError:
    # Before the first import: one that fails half-way registers types and cannot be repeated.
    import libusb_package

    ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
  try:
    return importlib.import_module(f"{METADATA_WRITERS}.{name}")
  except ModuleNotFoundError as error:
    raise ImportError(
      f"tflite-support is not installed ({error}); it has no wheel above Python 3.11. Only the "
      "metadata of exported files needs it."
    ) from None
