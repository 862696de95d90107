"""The files of one network, of which any blocks are int8 and the others float."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.export import blocks
from nadv2_tf.export.parity import ParityError
from nadv2_tf.export.quantization import PartlyInt8, Quantization, convert

if TYPE_CHECKING:
  from collections.abc import Callable, Collection

  import numpy as np
  from tensorflow.types.experimental import ConcreteFunction


class MixedFiles:
  """The files of one network, one for every choice of int8 blocks.

  Args:
    function: as `convert` takes it; it is calibrated here.
    calibration: images, as those of `Quantization`.
    finish: function of a file -> what will be written of it; files are as large as that.

  Raises:
    ValueError: if the network's layers do not say of which block they are.
  """

  def __init__(
    self,
    function: ConcreteFunction,
    calibration: np.ndarray,
    finish: Callable[[bytes], bytes] = lambda content: content,
  ) -> None:
    self.in_float = convert(function)
    self._names = {
      block: tuple(name for one in found for name in one.outputs)
      for block, found in blocks.by_block(blocks.operators(self.in_float)).items()
    }
    if not self._names:
      raise ValueError(
        "--quantization=mixed needs a network whose layers are named after blocks, as those that "
        "nadv2-finetune writes; this one's are not."
      )
    self._partly = PartlyInt8(function, Quantization("int8", calibration))
    self._finish = finish

  @property
  def blocks(self) -> tuple[int, ...]:
    """The numbers of the blocks that compute something, from 1."""
    return tuple(sorted(self._names))

  def content(self, int8: Collection[int]) -> bytes:
    """The file of which these blocks are int8.

    Raises:
      ParityError: if not exactly these are.
    """
    if not int8:
      return self.in_float
    left = [name for block, names in self._names.items() if block not in int8 for name in names]
    content = self._partly.convert(left)
    for block, types in blocks.precisions(content).items():
      expected = {"int8"} if block in int8 else {"float32"}
      if not types <= expected:
        raise ParityError(
          f"Block {block} cannot be {min(expected)} by itself: its operators have "
          f"{' and '.join(sorted(types))}. Take --quantization=int8 or none."
        )
    return content

  def size(self, content: bytes) -> int:
    """Bytes of a file as it will be written."""
    return len(self._finish(content))

  def weights(self, content: bytes) -> dict[int, int]:
    """{block: bytes of its constants as stored, scales included}."""
    found = blocks.by_block(blocks.operators(content))
    return {block: sum(one.constant_bytes for one in found.get(block, [])) for block in self.blocks}
