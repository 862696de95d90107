"""Whether a device computes what LiteRT computes on this machine.

Delegates that give wrong numbers, and give them fast, are an old plague. So a file is run where it
is timed, with the same delegate, on a few images; its outputs are fetched and compared with those
of LiteRT's own kernels here, which no delegate touches.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.benchmarks.timing.errors import NothingMeasured, WrongOutputs
from nadv2_tf.benchmarks.timing.output_tools import Tensors
from nadv2_tf.export.parity import compare
from nadv2_tf.export.quantization import Limits
from nadv2_tf.export.tflite import dequantized, interpreter, quantized

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: images that a file is run on
IMAGES = 8

#: what outputs may differ by, as shares of their spread. Processors differ in the order of sums;
#: GPUs and NPUs compute in half precision unless told otherwise, and whole numbers are rounded up
#: or down. Only the first was measured (tests/benchmarks/test_outputs.py); the others are chosen.
LIMITS = {
  "float": Limits(1e-3, 1e-4),
  "half": Limits(0.1, 0.02),
  "integer": Limits(0.5, 0.05),
}


@dataclasses.dataclass(frozen=True)
class OutputCheck:
  """Outputs of a device against those of LiteRT's kernels here.

  `largest_difference`, `rms_difference` and their limits are in the outputs' own unit, `spread` is
  the standard deviation of the outputs. `source` says what images they were.
  """

  source: str
  images: int
  delegate: str
  largest_difference: float
  rms_difference: float
  spread: float
  largest_allowed: float
  rms_allowed: float
  top_1_agreement: float | None
  notes: tuple[str, ...] = ()

  @property
  def agrees(self) -> bool:
    # Written so that NaN does not.
    return (
      self.largest_difference <= self.largest_allowed and self.rms_difference <= self.rms_allowed
    )

  def describe(self) -> str:
    """The comparison in a line."""
    same = "" if self.top_1_agreement is None else f", same class {self.top_1_agreement:.1%}"
    return (
      f"outputs of {self.images} {self.source} {'agree' if self.agrees else 'DO NOT AGREE'} with "
      f"LiteRT on this machine: largest difference {self.largest_difference:.3g} of "
      f"{self.largest_allowed:.3g} allowed, root mean square {self.rms_difference:.3g} of "
      f"{self.rms_allowed:.3g}{same}"
    )


def noise(path: AnyPath) -> np.ndarray:
  """Images from -1 to 1 for a file where there is no data, float32 [images, ...]."""
  shape = interpreter(path).get_input_details()[0]["shape"][1:]
  return np.random.default_rng(0).uniform(-1, 1, (IMAGES, *shape)).astype(np.float32)


def check_outputs(
  device: Device, path: AnyPath, images: np.ndarray, source: str, settings: TimingSettings
) -> OutputCheck:
  """Runs a file on a device and here.

  Args:
    device: an entered `Device`.
    path: a TFLite file with one input and one output.
    images: float32 [images, ...], as the file takes them.
    source: what they are, such as "hold-out images".
    settings: `TimingSettings`; threads, mask and delegate are taken from it.

  Raises:
    TimingError: if the device cannot give its outputs.
  """
  made = interpreter(path, delegates=False)
  inputs, outputs = made.get_input_details(), made.get_output_details()
  if len(inputs) != 1 or len(outputs) != 1:
    raise NothingMeasured(
      f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; outputs are compared of files "
      "with one of each."
    )
  given = [quantized(image[None], inputs[0]) for image in images]
  expected = []
  for image in given:
    made.set_tensor(inputs[0]["index"], image)
    made.invoke()
    expected.append(made.get_tensor(outputs[0]["index"]))
  tensors = Tensors(*_names(made, inputs[0], outputs[0]), tuple(given[0].shape), expected[0].nbytes)
  raw, notes = device.raw_outputs(
    pathlib.Path(path), [image.tobytes() for image in given], tensors, settings
  )
  actual = [_read(content, tensors, outputs[0], expected[0].shape) for content in raw]
  kind = _kind(made, settings.delegate)
  return _compared(expected, actual, outputs[0], source, settings.delegate, kind, tuple(notes))


def require(check: OutputCheck, what: AnyPath) -> None:
  """Raises WrongOutputs if the outputs do not agree."""
  if not check.agrees:
    raise WrongOutputs(
      f"The device computes something else of {what} with the delegate {check.delegate}, so its "
      f"latency is of no use: {check.describe()}. Choose another delegate, or another program with "
      "--benchmark_binary=FILE."
    )


def _names(made: Any, taken: dict[str, Any], given: dict[str, Any]) -> tuple[str, str]:
  """Names of input and output as LiteRT's programs call them."""
  signatures = made.get_signature_list()
  if len(signatures) == 1:
    (names,) = signatures.values()
    if len(names["inputs"]) == len(names["outputs"]) == 1:
      return names["inputs"][0], names["outputs"][0]
  return taken["name"], given["name"]


def _kind(made: Any, delegate: str) -> str:
  """Which of `LIMITS` a file and a delegate have."""
  for details in made.get_tensor_details():
    if np.issubdtype(details["dtype"], np.integer) and details["quantization"][0]:
      return "integer"
  return "float" if delegate in ("cpu", "none") else "half"


def _read(
  content: bytes, tensors: Tensors, details: dict[str, Any], shape: tuple[int, ...]
) -> np.ndarray:
  # A GPU may pad what it gives; less than asked for is no output.
  if len(content) < tensors.output_bytes:
    raise NothingMeasured(
      f"The device gave {len(content)} bytes of output and not {tensors.output_bytes}: run it "
      "again."
    )
  values = np.frombuffer(content[: tensors.output_bytes], details["dtype"])
  return values.reshape(shape)


def _compared(
  expected: list[np.ndarray],
  actual: list[np.ndarray],
  details: dict[str, Any],
  source: str,
  delegate: str,
  kind: str,
  notes: tuple[str, ...],
) -> OutputCheck:
  ours, theirs = (
    np.concatenate([dequantized(one, details) for one in every]) for every in (expected, actual)
  )
  found = compare(ours, theirs)
  limits = LIMITS[kind]
  return OutputCheck(
    source,
    found.images,
    delegate,
    found.largest_difference,
    found.rms_difference,
    found.spread,
    limits.largest * found.spread,
    limits.rms * found.spread,
    found.top_1_agreement,
    notes,
  )
