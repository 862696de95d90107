"""How a network is written as TFLite."""

import dataclasses

from nadv2_tf.option import OptionGroup, option

#: {mode: bytes of its file for each byte of the float32 one}
QUANTIZATIONS = {"none": 1.0, "float16": 0.5, "dynamic": 0.25, "int8": 0.25, "int8_qat": 0.25}
INTEGER_QUANTIZATIONS = ("int8", "int8_qat")


def check_together(quantization: str, integer_io: bool, float_layers: int) -> None:
  """Raises ValueError for options that do not go together."""
  if integer_io and quantization not in INTEGER_QUANTIZATIONS:
    raise ValueError(f"--integer_io needs --quantization=int8 or int8_qat, not {quantization}.")
  if float_layers and quantization != "int8":
    raise ValueError(f"--float_layers needs --quantization=int8, not {quantization}.")


@dataclasses.dataclass(frozen=True)
class ExportOptions(OptionGroup):
  """What a file is to be."""

  quantization: str = option(
    "none",
    "How weights and activations are stored: none (float32), float16 (weights), dynamic (int8 "
    "weights), int8 (everything, calibrated on training images), int8_qat (the same after training "
    "under fake quantization).",
    choices=tuple(QUANTIZATIONS),
  )
  integer_io: bool = option(False, "int8 inputs and outputs too; of int8 modes.")
  float_layers: int = option(
    0, "How many layers int8 leaves in float: those whose own error is largest.", low=0
  )
  calibration_images: int = option(256, "Training images that int8 takes its ranges from.", low=1)
  max_accuracy_drop: float = option(
    2.0,
    "Points of accuracy on hold-out images that the file may lose; beyond, the export fails.",
    low=0,
  )
  qat_epochs: float = option(2.0, "Epochs of quantization-aware training (int8_qat).", low=0)
  qat_learning_rate: float = option(
    1e-4, "Largest learning rate of quantization-aware training (int8_qat)."
  )
  model_version: str = option("1", "Version of the network, for the file's metadata.")
  author: str = option("not given", "Author of the network, for the metadata.")
  licence: str = option("not given", "Licence of the network, for the metadata.")

  def __post_init__(self) -> None:
    super().__post_init__()
    check_together(self.quantization, self.integer_io, self.float_layers)
