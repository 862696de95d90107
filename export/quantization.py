"""How a network is written as TFLite: float32, float16, dynamic range, or int8 throughout."""

import contextlib
import csv
import dataclasses
import io
import warnings

import numpy as np
from nadv2_tf.export.quiet import quiet_stderr

from nadv2_tf import stopwatch

#: how weights and activations are stored; int8_qat is int8 after quantization-aware training
MODES = ("none", "float16", "dynamic", "int8", "int8_qat")
INTEGER_MODES = ("int8", "int8_qat")
#: images that layer errors are measured on
DEBUG_IMAGES = 64


@dataclasses.dataclass(frozen=True)
class Quantization:
  """What `to_tflite` does besides converting.

  Attributes:
    mode: one of `MODES`.
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
  inputs: tuple = ()
  integer_io: bool = False
  float_layers: tuple[str, ...] = ()

  def __post_init__(self):
    if self.mode not in MODES:
      raise ValueError(f"--quantization must be one of {', '.join(MODES)}, got {self.mode!r}.")
    if self.integer_io and self.mode not in INTEGER_MODES:
      raise ValueError(f"--integer_io needs --quantization=int8 or int8_qat, not {self.mode}.")
    if self.float_layers and self.mode != "int8":
      raise ValueError(f"--float_layers needs --quantization=int8, not {self.mode}.")
    given = self.inputs if self.calibration is None else self.calibration
    if self.mode == "int8" and not len(given):
      raise ValueError("--quantization=int8 needs training images to take the ranges from.")


@dataclasses.dataclass(frozen=True)
class LayerError:
  """What quantizing one layer alone does: root mean square error over its output's spread."""

  operator: str
  tensor: str
  relative_error: float


def convert(concrete_function, quantization=None):
  """The TFLite file, as bytes, of a TensorFlow function; its variables become constants.

  Converted from the function itself, a whole 18-block network takes 3 seconds; through a saved
  model, as `from_keras_model` goes, it took 20.

  Args:
    concrete_function: of one input, batch size 1. For int8_qat it holds the fake quantization that
      its ranges were trained with.
    quantization: a `Quantization`; None is float32.
  """
  quantization = quantization or Quantization()
  with stopwatch.part("files"), _quietly():
    converter = _converter(concrete_function, quantization)
    if quantization.float_layers:
      return _partly_float(converter, quantization.float_layers)
    return converter.convert()


def layer_errors(concrete_function, quantization, spreads):
  """`LayerError` of every layer that int8 quantizes, the largest first.

  Each layer is run in int8 and, on the same inputs, in float: errors do not add up along the
  network (TensorFlow's QuantizationDebugger).

  Args:
    concrete_function, quantization: as `convert` takes them; of mode int8.
    spreads: {tensor name: standard deviation} in the float network (`inspection.spreads`).
  """
  with _quietly():
    converter = _converter(concrete_function, quantization)
    return _errors(_debugger(converter, quantization.calibration[:DEBUG_IMAGES]), spreads)


def _converter(concrete_function, quantization):
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


def _calibration(quantization):
  if quantization.calibration is None:
    yield from (list(arrays) for arrays in quantization.inputs)
  else:
    yield from ([image[None]] for image in quantization.calibration)


def _partly_float(converter, names):
  import tensorflow as tf

  converter.target_spec.supported_ops.append(tf.lite.OpsSet.TFLITE_BUILTINS)
  debugger = _debugger(converter, [])
  debugger.options.denylisted_nodes = list(names)
  return debugger.get_nondebug_quantized_model()


def _debugger(converter, images):
  import tensorflow as tf

  return tf.lite.experimental.QuantizationDebugger(
    converter=converter,
    debug_dataset=lambda: ([image[None]] for image in images),
    debug_options=tf.lite.experimental.QuantizationDebugOptions(),
  )


def _errors(debugger, spreads):
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
def _quietly():
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
