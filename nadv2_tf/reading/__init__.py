"""Trained Keras models as specs and weights; see docs/howto for what is understood."""

from nadv2_tf.reading.changes import with_bypass, with_classes, with_input_range
from nadv2_tf.reading.errors import ReadError
from nadv2_tf.reading.files import load_model
from nadv2_tf.reading.network import ReadNetwork, build, check_same, read_network
from nadv2_tf.reading.precision import in_single_precision
from nadv2_tf.reading.sizes import at_size

__all__ = [
  "ReadError",
  "ReadNetwork",
  "at_size",
  "build",
  "check_same",
  "in_single_precision",
  "load_model",
  "read_network",
  "with_bypass",
  "with_classes",
  "with_input_range",
]
