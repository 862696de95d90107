"""The gate of every export: does the file give what the Keras network gives?"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.export import inspection
from nadv2_tf.export.quantization import LIMITS
from nadv2_tf.export.tflite import predictor

if TYPE_CHECKING:
  from collections.abc import Callable

  from numpy.typing import ArrayLike

  from nadv2_tf.types import Tensor

  Quality = Callable[[np.ndarray], float]

#: images that the gate runs, or as many as there are
IMAGES = 256
#: images that layers are compared on once the gate is shut
LAYER_IMAGES = 16
#: layers that its message names
NAMED_LAYERS = 5


#: share of the largest output, below which outputs of images do not differ but by rounding
SMALLEST_VARIATION = 1e-6


class ParityError(ValueError):
  """The exported file does not give what the Keras network gives."""


@dataclasses.dataclass(frozen=True)
class Parity:
  """Keras's outputs against a file's.

  Attributes:
    images: how many were compared.
    largest_difference, rms_difference: of all outputs, in the outputs' own unit.
    spread: standard deviation of Keras's outputs.
    top_1_agreement: share of images with the same largest output; None if outputs are no classes.
    accuracy_keras, accuracy_file: in [0, 1]; None without targets.
  """

  images: int
  largest_difference: float
  rms_difference: float
  spread: float
  top_1_agreement: float | None = None
  accuracy_keras: float | None = None
  accuracy_file: float | None = None

  @property
  def accuracy_lost(self) -> float | None:
    """In points of a hundred; below 0 if the file is more accurate."""
    if self.accuracy_keras is None or self.accuracy_file is None:
      return None
    return 100 * (self.accuracy_keras - self.accuracy_file)


def compare(expected: ArrayLike, actual: ArrayLike, quality: Quality | None = None) -> Parity:
  """`Parity` of outputs, [images, ...], of the Keras network and of the file.

  Args:
    expected, actual: float arrays of one shape.
    quality: function outputs -> accuracy in [0, 1]; None if there are no targets.
  """
  expected, actual = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
  if expected.shape != actual.shape:
    raise ParityError(f"The file's outputs are {actual.shape}, the network's {expected.shape}.")
  difference = np.abs(expected - actual)
  classes = expected.ndim == 2 and expected.shape[1] > 1
  agreement = (expected.argmax(-1) == actual.argmax(-1)).mean() if classes else None
  return Parity(
    images=len(expected),
    largest_difference=float(difference.max()),
    rms_difference=float(np.sqrt(np.mean(np.square(difference)))),
    spread=float(expected.std()),
    top_1_agreement=None if agreement is None else float(agreement),
    accuracy_keras=None if quality is None else float(quality(expected)),
    accuracy_file=None if quality is None else float(quality(actual)),
  )


def faults(parity: Parity, mode: str, max_accuracy_drop: float) -> list[str]:
  """What is wrong, as sentences; none if the gate is open.

  Args:
    parity: a `Parity`.
    mode: of `QUANTIZATIONS`.
    max_accuracy_drop: points of accuracy that the file may lose.
  """
  found = []
  limits = LIMITS[mode]
  for title, value, limit in (
    ("largest difference of an output", parity.largest_difference, limits.largest),
    ("root mean square difference", parity.rms_difference, limits.rms),
  ):
    # Written so that NaN is a fault.
    if not value <= limit * parity.spread:
      found.append(
        f"the {title} is {value:.3g}, the limit for {mode} is {limit * parity.spread:.3g} "
        f"({limit:g} of the outputs' spread)"
      )
  if parity.accuracy_lost is not None and not parity.accuracy_lost <= max_accuracy_drop:
    found.append(
      f"{parity.accuracy_lost:.2f} points of accuracy are lost, --max_accuracy_drop is "
      f"{max_accuracy_drop:g}"
    )
  return found


def check(
  predict: Callable[[np.ndarray], Tensor],
  content: bytes,
  reference: Callable[[], bytes],
  images: np.ndarray,
  mode: str,
  max_accuracy_drop: float,
  quality: Quality | None = None,
) -> Parity:
  """Runs network and file on the same images.

  Outputs that hardly vary between images say nothing of a file: one that gave their mean for every
  image would be as near to them. Then the file has to follow what they do vary, or nothing passes.

  Args:
    predict: the Keras network, images -> outputs.
    content: the file, as bytes.
    reference: function -> bytes of a float32 file of the same network, for naming layers.
    images: float32 [images, height, width, channels].
    mode, max_accuracy_drop: as `faults` takes them.
    quality: as `compare` takes it.

  Returns:
    A `Parity`.

  Raises:
    ParityError: with the reasons and the layers that differ most, if the file is not the network;
      or if these outputs cannot tell.
  """
  expected = predict(images)
  parity = compare(expected, predictor(content)(images), quality)
  _check_judged(expected, parity, mode, max_accuracy_drop)
  reasons = faults(parity, mode, max_accuracy_drop)
  if reasons:
    raise ParityError(
      f"The exported file is not the network: {'; '.join(reasons)}. "
      f"{_layers(reference(), content, images[:LAYER_IMAGES])}"
    )
  return parity


def _check_judged(
  expected: np.ndarray, parity: Parity, mode: str, max_accuracy_drop: float
) -> None:
  """Raises ParityError if a file that answers without looking would pass as this one does."""
  if len(expected) < 2:
    return
  same = np.broadcast_to(np.mean(expected, axis=0, keepdims=True), expected.shape)
  if faults(compare(expected, same), mode, max_accuracy_drop):
    return
  # Then it has to follow what little the outputs vary.
  variation = float(np.std(expected - same))
  follows = not faults(dataclasses.replace(parity, spread=variation), mode, max_accuracy_drop)
  if follows and variation > SMALLEST_VARIATION * np.abs(expected).max():
    return
  raise ParityError(
    f"The gate cannot judge this file: the network says nearly the same of all {len(expected)} "
    f"images. Its outputs vary by {variation:.3g} between them (their spread is "
    f"{parity.spread:.3g}), so that a file which answers without looking would pass as well. The "
    "network is untrained or has collapsed, or takes images of another range: train it first."
  )


def _layers(reference: bytes, content: bytes, images: np.ndarray) -> str:
  """The layers that differ most, in words; the first one that differs is named as such."""
  differences = inspection.layer_differences(reference, content, images)
  if not differences:
    return "No layer of the file has the name of one of the float32 file."
  worst = sorted(differences, key=lambda item: -item[1])[:NAMED_LAYERS]
  named = ", ".join(f"{short_name(name)} {value:.1%}" for name, value in worst)
  jumps = np.diff([0.0, *(value for _, value in differences)])
  first = differences[int(np.argmax(jumps > 0.5 * jumps.max()))][0]
  return (
    f"Layers that differ most (share of their outputs' spread): {named}. The first large step is "
    f"at {short_name(first)}."
  )


def short_name(tensor: str) -> str:
  """The Keras layer in a tensor's name: block07_add of model_1/block07_add_1/Add."""
  parts = tensor.split(";")[0].split("/")
  blocks = [part for part in parts if part.startswith("block")]
  name = blocks[0] if blocks else parts[-1]
  head, _, number = name.rpartition("_")
  return head if head and number.isdigit() else name
