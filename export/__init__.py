"""Export of stand-alone networks to TFLite."""

from nadv2_tf.export.tflite import interpreter, operators, predictor, to_tflite

__all__ = ["interpreter", "operators", "predictor", "to_tflite"]
