"""The group of flags that says how a network is written as TFLite."""

from absl import flags
from nadv2_tf.flags.groups import read

MODES = ("none", "float16", "dynamic", "int8", "int8_qat")


def define_export():
  flags.DEFINE_enum(
    "quantization",
    "none",
    MODES,
    "How weights and activations are stored: none (float32), float16 (weights), dynamic (int8 "
    "weights), int8 (everything, calibrated on training images), int8_qat (the same after training "
    "under fake quantization).",
  )
  flags.DEFINE_bool("integer_io", False, "int8 inputs and outputs too; of int8 modes.")
  flags.DEFINE_integer(
    "float_layers",
    0,
    "How many layers int8 leaves in float: those whose own error is largest.",
    lower_bound=0,
  )
  flags.DEFINE_integer(
    "calibration_images", 256, "Training images that int8 takes its ranges from.", lower_bound=1
  )
  flags.DEFINE_float(
    "max_accuracy_drop",
    2.0,
    "Points of accuracy on hold-out images that the file may lose; beyond, the export fails.",
    lower_bound=0,
  )
  flags.DEFINE_float(
    "qat_epochs", 2.0, "Epochs of quantization-aware training (int8_qat).", lower_bound=0
  )
  flags.DEFINE_float("qat_learning_rate", 1e-4, "Its largest learning rate.")
  flags.DEFINE_string("model_version", "1", "Version of the network, for the file's metadata.")
  flags.DEFINE_string("author", "not given", "Author of the network, for the metadata.")
  flags.DEFINE_string("licence", "not given", "Licence of the network, for the metadata.")


def read_export():
  """The `ExportOptions`; raises ValueError for options that do not go together."""
  from nadv2_tf.export.deployment import ExportOptions

  return read(ExportOptions)
