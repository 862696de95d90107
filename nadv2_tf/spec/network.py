"""`NetworkSpec`: the immutable, hashable description of one network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks, serialization, shapes
from nadv2_tf.spec.blocks import Block

if TYPE_CHECKING:
  from typing import Any, TypeAlias

  from nadv2_tf.spec.shapes import LayerShape, Shape

  #: layers of every block, and its output
  Walked: TypeAlias = tuple[tuple[tuple[LayerShape, ...], ...], tuple[Shape, ...]]


@dataclasses.dataclass(frozen=True)
class Skip:
  """An additive skip: the output of block `source` is added to that of block `target`.

  Indices count from 0; the narrower operand is padded with zero channels.
  """

  source: int
  target: int


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
  """What a network is: input shape, blocks in order, additive skips.

  Attributes:
    name: for people; two specs that differ only in name are equal networks but unequal values.
    input_shape: (height, width, channels).
    blocks: tuple of `Block`; block i has the number i + 1 in layer names and messages.
    skips: tuple of `Skip`.

  Raises:
    ValueError: naming the block and the field, if a value is not allowed.
  """

  name: str
  input_shape: tuple[int, int, int]
  blocks: tuple[Block, ...]
  skips: tuple[Skip, ...] = ()

  if TYPE_CHECKING:
    #: what `_walk` gave; at run time no field, so neither compared nor shown
    _walked: Walked = dataclasses.field(init=False)

  def __post_init__(self) -> None:
    object.__setattr__(self, "input_shape", tuple(self.input_shape))
    object.__setattr__(self, "blocks", tuple(self.blocks))
    object.__setattr__(self, "skips", tuple(self.skips))
    self._check()
    object.__setattr__(self, "_walked", self._walk())

  def _check(self) -> None:
    if len(self.input_shape) != 3:
      raise ValueError(f"input_shape must be (height, width, channels), got {self.input_shape!r}.")
    for axis, size in zip(("height", "width", "channels"), self.input_shape, strict=True):
      checks.integer(f"input_shape: {axis}", size, 1, checks.LARGEST_WIDTH)
    if not self.blocks:
      raise ValueError("blocks must not be empty.")
    for skip in self.skips:
      if not 0 <= skip.source < skip.target < len(self.blocks):
        raise ValueError(
          f"A skip must lead forward between blocks 0 and {len(self.blocks) - 1}, got {skip}."
        )
    first = self.first_searched()
    if first is not None and 0 in self.blocks[first].widths().values():
      raise ValueError(f"Block {first + 1}: the first layer must keep at least one filter, got 0.")
    for index, block in enumerate(self.blocks):
      if block.kind == "head" and index != len(self.blocks) - 1:
        raise ValueError(f"Block {index + 1}: a head must be the last block.")
      if block.kind == "rescale" and index:
        raise ValueError(f"Block {index + 1}: rescale must be the first block.")

  def _walk(self, start: int = 0, before: Walked = ((), ())) -> Walked:
    """Layers of every block, and each block's output shape.

    Args:
      start: the first block that differs from the network that was walked before.
      before: what walking that network gave.
    """
    layers, outputs = list(before[0][:start]), list(before[1][:start])
    shape = outputs[-1] if outputs else self.input_shape
    for index in range(start, len(self.blocks)):
      skips = [skip for skip in self.skips if skip.target == index]
      skipped = tuple(outputs[skip.source] for skip in skips)
      try:
        inner, shape = shapes.block_shapes(self.blocks[index], shape, skipped)
      except ValueError as error:
        raise ValueError(f"Block {index + 1}: {error}") from None
      for skip in skips:
        if outputs[skip.source][:2] != shape[:2]:
          raise ValueError(
            f"{skip} joins {outputs[skip.source][:2]} and {shape[:2]} (height, width); "
            "both ends must have the same resolution."
          )
      if max(shape[:2]) > checks.LARGEST_SIDE:
        raise ValueError(
          f"Block {index + 1}: the output of {shape[0]}x{shape[1]} is larger than "
          f"{checks.LARGEST_SIDE} on a side."
        )
      layers.append(inner)
      outputs.append(shape)
      if not self.skips and before[1] and shape == before[1][index]:
        # What follows sees the input that it saw before.
        return (*layers, *before[0][index + 1 :]), (*outputs, *before[1][index + 1 :])
    return tuple(layers), tuple(outputs)

  def layers(self) -> tuple[tuple[LayerShape, ...], ...]:
    """A tuple of `LayerShape` for every block, skip adds with the block they end at."""
    return self._walked[0]

  def block_outputs(self) -> tuple[Shape, ...]:
    """(height, width, live channels) after every block."""
    return self._walked[1]

  def first_searched(self) -> int | None:
    """Index of the first block that has widths, what only prepares the images being none."""
    return next((index for index, block in enumerate(self.blocks) if block.widths()), None)

  def macs(self, bias: bool = False) -> float:
    """Multiply-accumulates at batch 1; `bias` counts half a MAC per conv output as well."""
    total = sum(layer.macs(bias) for block in self.layers() for layer in block)
    return total if bias else int(total)

  def parameters(self) -> int:
    """Trainable parameters (batch-norm statistics are not trained)."""
    return sum(layer.parameters() for block in self.layers() for layer in block)

  def with_block(self, index: int, **fields: Any) -> NetworkSpec:
    """A copy in which the named fields of block `index` are replaced."""
    block: Any = self.blocks[index]  # of a kind that has these fields
    return self.with_block_at(index, dataclasses.replace(block, **fields))

  def with_block_at(self, index: int, block: Block) -> NetworkSpec:
    """A copy with another block at `index`; only what it changes is walked again."""
    index = range(len(self.blocks))[index]
    changed = object.__new__(type(self))
    blocks = (*self.blocks[:index], block, *self.blocks[index + 1 :])
    changed.__dict__.update(self.__dict__, blocks=blocks)
    changed._check()
    changed.__dict__["_walked"] = changed._walk(index, self._walked)
    return changed

  def seeing(
    self, index: int, block: Block, before: Shape, skipped: tuple[Shape, ...] = ()
  ) -> NetworkSpec:
    """This network, but `block` at `index` runs as in one where it sees other shapes.

    It is none that could be built, because the other blocks are as they were; what a meter says of
    this one block by itself is true.

    Args:
      index: of the block.
      block: a `Block`.
      before: shape of its input.
      skipped: shapes that the skips which end at it bring, in the order of `skips`.
    """
    layers, outputs = (list(walked) for walked in self._walked)
    layers[index], outputs[index] = shapes.block_shapes(block, before, skipped)
    if index:
      outputs[index - 1] = before
    changed = object.__new__(type(self))
    blocks = (*self.blocks[:index], block, *self.blocks[index + 1 :])
    changed.__dict__.update(self.__dict__, blocks=blocks, _walked=(tuple(layers), tuple(outputs)))
    return changed

  def to_json(self) -> str:
    """JSON text that `from_json` reads back as an equal value."""
    return serialization.to_json(self)

  @classmethod
  def from_json(cls, text: str) -> NetworkSpec:
    """Reads what `to_json` wrote.

    Raises:
      ValueError: one line naming the field, its value and what is allowed, if the text is not a
        network spec.
    """
    return serialization.from_json(text, network_type=cls, skip_type=Skip)
