"""Imports tflite-support, whose metadata writers need a shared library that many hosts lack."""

import ctypes
import importlib


def load_tflite_support(module="tflite_support"):
  """The module `tflite_support`, or one of its sub-modules.

  It links against libusb-1.0.so.0 although metadata needs no USB device. The package
  libusb-package carries that library; loaded first, it satisfies the linker without root rights.

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
    return importlib.import_module(module)
  except ModuleNotFoundError as error:
    raise ImportError(
      f"tflite-support is not installed ({error}); it has no wheel above Python 3.11. Only the "
      "metadata of exported files needs it."
    ) from None
