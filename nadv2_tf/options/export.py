"""How a network is written as TFLite."""

import dataclasses

from nadv2_tf.option import OptionGroup, option
from nadv2_tf.options.amounts import number_of

MIXED = "mixed"
#: {mode: bytes of its file for each byte of the float32 one, at most}
QUANTIZATIONS = {
  "none": 1.0,
  "float16": 0.5,
  "dynamic": 0.25,
  "int8": 0.25,
  "int8_qat": 0.25,
  MIXED: 1.0,
}
INTEGER_QUANTIZATIONS = ("int8", "int8_qat")
#: {limit of a mixed file: examples of what it may be}
LIMITS_OF_MIXED = {
  "max_size": ", such as 2e6 or 2M, or a share such as 40%",
  "max_latency": ", such as 12.5, or a share such as 70%",
}
#: options of a mixed file alone
OF_MIXED = (*LIMITS_OF_MIXED, "float_table", "int8_table")


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
    "under fake quantization), mixed (int8 or float32 for each block, so that the loss rises least "
    "within --max_size and --max_latency).",
    choices=tuple(QUANTIZATIONS),
  )
  integer_io: bool = option(False, "int8 inputs and outputs too; of int8 modes.")
  float_layers: int = option(
    0, "How many layers int8 leaves in float: those whose own error is largest.", low=0
  )
  max_size: str = option(
    "",
    "Bytes of a mixed file at most: a number, 2e6 or 2M, or a share of the float32 file's, 40%.",
  )
  max_latency: str = option(
    "",
    "Milliseconds of a mixed file at most, by --float_table and --int8_table: a number, or a share "
    "of what all blocks take in float32, 70%.",
  )
  float_table: str = option(
    "", "Of --max_latency: the latency table of float32 layers, a .csv file."
  )
  int8_table: str = option(
    "", "Of --max_latency: the table of int8 layers (--search_precision=int8) of the same device."
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
    self._check_mixed()

  def _check_mixed(self) -> None:
    """Raises ValueError for limits of a mixed file that are none, or without one."""
    limits = {name: getattr(self, name) for name in LIMITS_OF_MIXED}
    for name, text in limits.items():
      if text and self.quantization != MIXED:
        raise ValueError(f"--{name} needs --quantization={MIXED}, not {self.quantization}.")
      if text:
        number_of(f"--{name}", LIMITS_OF_MIXED[name], text, 1.0)
    if self.quantization == MIXED and not any(limits.values()):
      raise ValueError(f"--quantization={MIXED} needs --max_size, --max_latency or both.")
    if not bool(self.max_latency) == bool(self.float_table) == bool(self.int8_table):
      raise ValueError(
        "--max_latency, --float_table and --int8_table go together; got "
        f"{self.max_latency or 'none'}, {self.float_table or 'none'} and "
        f"{self.int8_table or 'none'}."
      )
