"""How a network is written as TFLite: float32, float16, dynamic range, or int8 throughout."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf import stopwatch
from nadv2_tf.export import ranges
from nadv2_tf.export.quiet import quiet_stderr
from nadv2_tf.options.export import MIXED, QUANTIZATIONS, check_together

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence, Sized

  import tensorflow as tf
  from tensorflow.types.experimental import ConcreteFunction

#: images that layer errors are measured on
DEBUG_IMAGES = 64


@dataclasses.dataclass(frozen=True)
class Limits:
  """What differences of the outputs a mode may have, as shares of the spread of Keras's outputs.

  Rounding to float16 or int8 is noise on every output, so there the root mean square counts, and
  the largest difference may be several times as much.
  """

  largest: float
  rms: float


#: measured on trained and random networks (`benchmarks/results/quantization.txt`), with a margin
LIMITS = {
  "none": Limits(1e-3, 1e-4),
  "float16": Limits(1.5e-2, 3e-3),
  "dynamic": Limits(0.5, 0.05),
  "int8": Limits(1.5, 0.2),
  "int8_qat": Limits(1.5, 0.2),
  MIXED: Limits(1.5, 0.2),  # of which all blocks may be int8
}
#: what one conversion makes; for mixed files see `export/mixed.py`
CONVERTED = tuple(mode for mode in QUANTIZATIONS if mode != MIXED)


@dataclasses.dataclass(frozen=True)
class Quantization:
  """What `to_tflite` does besides converting.

  Attributes:
    mode: one of `CONVERTED`.
    calibration: training images, float32 [images, height, width, channels], that the ranges of
      activations are taken from; needed by int8, unused by the others.
    inputs: the same for a function of several arguments: a tuple of arrays for each call.
    integer_io: int8 inputs and outputs instead of float32 ones; of int8 modes only.
    float_layers: names of output tensors of the layers that stay float (`layer_errors` has them).

  Raises:
    ValueError: for values that do not go together.
  """

  mode: str = "none"
  calibration: np.ndarray | None = None
  inputs: tuple[tuple[np.ndarray, ...], ...] = ()
  integer_io: bool = False
  float_layers: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    if self.mode not in CONVERTED:
      raise ValueError(f"--quantization must be one of {', '.join(CONVERTED)}, got {self.mode!r}.")
    check_together(self.mode, self.integer_io, len(self.float_layers))
    given: Sized = self.inputs if self.calibration is None else self.calibration
    if self.mode == "int8" and not len(given):
      raise ValueError("--quantization=int8 needs training images to take the ranges from.")


@dataclasses.dataclass(frozen=True)
class LayerError:
  """What quantizing one layer alone does: root mean square error over its output's spread."""

  operator: str
  tensor: str
  relative_error: float


def convert(concrete_function: ConcreteFunction, quantization: Quantization | None = None) -> bytes:
  """The TFLite file, as bytes, of a TensorFlow function; its variables become constants.

  Converted from the function itself, a whole 18-block network takes 3 seconds; through a saved
  model, as `from_keras_model` goes, it took 20.

  Args:
    concrete_function: of one input, batch size 1. For int8_qat it holds the fake quantization that
      its ranges were trained with.
    quantization: a `Quantization`; None is float32.
  """
  quantization = quantization or Quantization()
  if quantization.float_layers:
    return PartlyInt8(concrete_function, quantization).convert(quantization.float_layers)
  with stopwatch.part("files"), _quietly():
    converter = _converter(concrete_function, quantization)
    return _int8(converter) if quantization.mode == "int8" else converter.convert()


def _int8(converter: tf.lite.TFLiteConverter) -> bytes:
  """What the converter gives, which calibrates and quantizes, with `ranges` seen to in between."""
  from tensorflow.lite.python.convert import mlir_quantize

  converter._experimental_calibrate_only = True
  content: bytes = mlir_quantize(
    ranges.with_wide_ranges(converter.convert()),
    input_data_type=converter.inference_input_type,
    output_data_type=converter.inference_output_type,
  )
  return content


class PartlyInt8:
  """Int8 files of which some layers stay float, from one calibration.

  What has no int8 kernel stays float as well; nothing is said of it.

  Args:
    concrete_function, quantization: as `convert` takes them; of mode int8.
  """

  def __init__(self, concrete_function: ConcreteFunction, quantization: Quantization) -> None:
    import tensorflow as tf

    with stopwatch.part("files"), _quietly():
      converter = _converter(concrete_function, quantization)
      converter.target_spec.supported_ops.append(tf.lite.OpsSet.TFLITE_BUILTINS)
      self._debugger = _debugger(converter, [])

  def convert(self, float_layers: Sequence[str]) -> bytes:
    """The file, as bytes, of which the layers with these output tensors stay float."""
    with stopwatch.part("files"), _quietly():
      self._debugger.options.denylisted_nodes = list(float_layers)
      content: bytes = self._debugger.get_nondebug_quantized_model()
    return content


def layer_errors(
  concrete_function: ConcreteFunction, quantization: Quantization, spreads: Mapping[str, float]
) -> list[LayerError]:
  """`LayerError` of every layer that int8 quantizes, the largest first.

  Each layer is run in int8 and, on the same inputs, in float: errors do not add up along the
  network (TensorFlow's QuantizationDebugger).

  Args:
    concrete_function, quantization: as `convert` takes them; of mode int8.
    spreads: {tensor name: standard deviation} in the float network (`inspection.spreads`).

  Raises:
    ValueError: if `quantization` has no `calibration`: its images are what layers are run on.
  """
  images = quantization.calibration
  if images is None:
    raise ValueError("Errors of layers are measured on the images of `calibration`; it is None.")
  with _quietly():
    converter = _converter(concrete_function, quantization)
    return _errors(_debugger(converter, images[:DEBUG_IMAGES]), spreads)


def _converter(
  concrete_function: ConcreteFunction, quantization: Quantization
) -> tf.lite.TFLiteConverter:
  import tensorflow as tf

  converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete_function])
  if quantization.mode != "none":
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
  if quantization.mode == "float16":
    converter.target_spec.supported_types = [tf.float16]
  if quantization.mode == "int8":
    converter.representative_dataset = lambda: _calibration(quantization)
    # Nothing is left in float in silence: what has no int8 kernel is an error.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
  if quantization.integer_io:
    converter.inference_input_type = converter.inference_output_type = tf.int8
  return converter


def _calibration(quantization: Quantization) -> Iterator[list[np.ndarray]]:
  if quantization.calibration is None:
    yield from (list(arrays) for arrays in quantization.inputs)
  else:
    yield from ([image[None]] for image in quantization.calibration)


def _debugger(converter, images):
  import tensorflow as tf

  debugger = tf.lite.experimental.QuantizationDebugger(
    converter=converter,
    debug_dataset=lambda: ([image[None]] for image in images),
    debug_options=tf.lite.experimental.QuantizationDebugOptions(),
  )
  debugger.calibrated_model = ranges.with_wide_ranges(debugger.calibrated_model)
  debugger.options = debugger.options  # it quantizes again
  return debugger


def _errors(debugger: Any, spreads: Mapping[str, float]) -> list[LayerError]:
  debugger.run()
  text = io.StringIO()
  debugger.layer_statistics_dump(text)
  errors = []
  for row in csv.DictReader(io.StringIO(text.getvalue())):
    spread = spreads.get(row["tensor_name"], 0.0)
    if spread:
      error = float(row["mean_squared_error"]) ** 0.5 / spread
      errors.append(LayerError(row["op_name"], row["tensor_name"], error))
  return sorted(errors, key=lambda error: -error.relative_error)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
  """The converter talks: on standard error, in warnings, and the debugger on standard output."""
  import absl.logging

  verbosity = absl.logging.get_verbosity()
  absl.logging.set_verbosity(absl.logging.ERROR)
  try:
    with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
      warnings.simplefilter("ignore")
      yield
  finally:
    absl.logging.set_verbosity(verbosity)
