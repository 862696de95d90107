"""Export of stand-alone networks to TFLite."""

from nadv2_tf.export.parity import ParityError
from nadv2_tf.export.quantization import Quantization
from nadv2_tf.export.tflite import (
  AnySize,
  check_one_image,
  interpreter,
  operators,
  predictor,
  to_tflite,
)
from nadv2_tf.options.export import QUANTIZATIONS as MODES

__all__ = [
  "AnySize",
  "MODES",
  "ParityError",
  "Quantization",
  "check_one_image",
  "interpreter",
  "operators",
  "predictor",
  "to_tflite",
]
