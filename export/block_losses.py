"""What every block of a network loses by itself in int8, measured once and kept."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from nadv2_tf import stopwatch
from nadv2_tf.export.mixed_files import MixedFiles
from nadv2_tf.export.parity import ParityError
from nadv2_tf.export.tflite import predictor
from nadv2_tf.record import Record
from nadv2_tf.spec.files import read_bounded, write_atomically

LARGEST_FILE = 2**20


@dataclasses.dataclass(frozen=True)
class BlockLosses(Record):
  """What is kept of the slow part beside the file, for other limits and for a killed command.

  Attributes:
    made_from: a digest of the float file, its calibration, the images and their loss.
    in_float: the loss of the float file.
    alone: {number of a block: the loss with that block alone in int8}.
    refused: {number of a block that cannot be int8: why}; it stays float.
  """

  made_from: str
  in_float: float
  alone: Mapping[str, float]
  refused: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def added(self, block: int) -> float:
    """What the loss rises by with this block alone in int8."""
    return self.alone[str(block)] - self.in_float


def block_losses(
  files: MixedFiles,
  images: np.ndarray,
  loss: Callable[[np.ndarray], float],
  made_from: bytes,
  path: pathlib.Path,
  report: Callable[[int, int, float], None] | None = None,
) -> BlockLosses:
  """The `BlockLosses` of all blocks; those that `path` has of the same network are not measured.

  Args:
    files: `MixedFiles`.
    images: that outputs are made of.
    loss: function outputs -> mean loss on them.
    made_from: whatever else they depend on: the calibration.
    path: the .json file that has every loss as soon as it is known.
    report: called with (blocks done, blocks, the loss of the last).
  """
  in_float = loss(predictor(files.in_float)(images))
  digest = hashlib.sha256(files.in_float)
  for part in (made_from, np.ascontiguousarray(images).tobytes(), repr(in_float).encode()):
    digest.update(part)
  known = _known(path)
  if known is None or known.made_from != digest.hexdigest():
    known = BlockLosses(digest.hexdigest(), in_float, {})
  for number, block in enumerate(files.blocks, start=1):
    if str(block) not in {*known.alone, *known.refused}:
      with stopwatch.part("blocks"):
        known = _with(known, block, files, images, loss)
      write_atomically(path, json.dumps(known.to_json(), indent=2).encode())
    if report:
      report(number, len(files.blocks), known.alone.get(str(block), known.in_float))
  return known


def _with(
  known: BlockLosses,
  block: int,
  files: MixedFiles,
  images: np.ndarray,
  loss: Callable[[np.ndarray], float],
) -> BlockLosses:
  """`known` and what this block loses, or why it cannot be int8."""
  try:
    predict = predictor(files.content({block}))
  except ValueError as error:
    return known.updated(refused={**known.refused, str(block): str(error)})
  value = loss(predict(images))
  if not np.isfinite(value):
    raise ParityError(f"The loss with block {block} alone in int8 is {value}.")
  return known.updated(alone={**known.alone, str(block): value})


def _known(path: pathlib.Path) -> BlockLosses | None:
  if not path.exists():
    return None
  try:
    return BlockLosses.from_json(json.loads(read_bounded(path, LARGEST_FILE)), str(path))
  except ValueError as error:
    raise ValueError(f"{path}: {error}; remove it to measure the blocks again.") from None
