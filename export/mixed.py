"""Files of which some blocks are int8 and the others float, chosen by an integer program.

Every block is quantized by itself, all others in float, and what the loss rises by on hold-out
images is what the block loses. The program (`search/bits_program.py`) finds the blocks that lose
least together, if losses add up, within a size and a latency. All files come out of one
calibration, which is that of int8.

Source: HAO, Dong et al., FCCM 2021, measures sensitivity by the trace of the Hessian; here it is
the loss itself, of the very files that may be written.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from nadv2_tf.export import blocks
from nadv2_tf.options.amounts import number_of
from nadv2_tf.options.export import LIMITS_OF_MIXED
from nadv2_tf.resources.precisions import PrecisionTables
from nadv2_tf.search.bits_program import BlockCosts, best_bits
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.export.block_losses import BlockLosses
  from nadv2_tf.export.mixed_files import MixedFiles
  from nadv2_tf.options import ExportOptions
  from nadv2_tf.spec import NetworkSpec

#: files that are tried one after the other, the best first, before the program is solved for less
MOST_FILES = 30


@dataclasses.dataclass(frozen=True)
class MixedFile:
  """What was chosen.

  Attributes:
    content: the file.
    int8: the blocks that are int8 in it.
    record: for JSON and for people.
  """

  content: bytes
  int8: frozenset[int]
  record: dict[str, Any]


class Milliseconds(NamedTuple):
  """Of every block of a network, by two tables, and what speaks against these tables."""

  in_float: tuple[float, ...]
  in_int8: tuple[float, ...]
  doubt: str = ""


def milliseconds_of(options: ExportOptions, spec: NetworkSpec | None) -> Milliseconds | None:
  """What `max_latency` asks of the tables, None without it.

  Raises:
    ValueError: if there is no spec, or a table is none or lacks a layer of it.
  """
  if not options.max_latency:
    return None
  if spec is None:
    raise ValueError("--max_latency needs the spec of the network beside it (.json).")
  tables = PrecisionTables.from_csv(options.float_table, options.int8_table)
  return Milliseconds(*tables.block_milliseconds(spec), tables.doubt)


def choose(
  files: MixedFiles,
  losses: BlockLosses,
  options: ExportOptions,
  milliseconds: Milliseconds | None = None,
) -> MixedFile:
  """The blocks that lose least together within `max_size` and `max_latency`.

  What weights take is exact in the program; what else is in a file (`Sizes`) is a bound, until the
  file is there. A choice whose file is too large is no answer, and the next best is tried: so the
  first that fits is the best that does. After `MOST_FILES` the program is solved for as much less.

  Args:
    files: `MixedFiles`.
    losses: of its blocks.
    options: `ExportOptions`; their limits.
    milliseconds: of `milliseconds_of`.

  Raises:
    ValueError: naming the least that there is, if a limit cannot be met.
  """
  free = tuple(block for block in files.blocks if str(block) in losses.alone)
  latency = _costs(free, options.max_latency, milliseconds) if milliseconds else None
  sizes = Sizes(files, free, options.max_size) if options.max_size else None
  refused: list[tuple[bool, ...]] = []
  while True:
    rows = [row for row in (latency, sizes and sizes.row) if row]
    picks = best_bits([losses.added(block) for block in free], rows, refused)
    if picks is None and refused and sizes and sizes.all_int8_fits:
      picks = (True,) * len(free)  # the bound was raised for too much
      picks = picks if not latency or latency.of(picks) <= latency.most else None
    if picks is None:
      raise ValueError(_unreachable(latency, sizes))
    int8 = frozenset(itertools.compress(free, picks))
    content = files.content(int8)
    if sizes is None or sizes.fits(content):
      break
    refused.append(picks)
    sizes.learn(picks, content, is_bound=len(refused) < MOST_FILES)
  record: dict[str, Any] = {
    "int8_blocks": sorted(int8),
    "float_blocks": sorted(set(files.blocks) - int8),
    "refused": dict(losses.refused),
    "loss_in_float": losses.in_float,
    "losses_added": {str(block): losses.added(block) for block in free},
    "predicted_loss": losses.in_float + total(map(losses.added, int8)),
    "conversions": blocks.conversions(content),
  }
  if latency:
    record["predicted_ms"], record["most_ms"] = latency.of(picks), latency.most
  if milliseconds and milliseconds.doubt:
    record["table_doubt"] = milliseconds.doubt
  return MixedFile(content, int8, record)


class Sizes:
  """How large the files of a network are, from below: what a choice cannot be smaller than.

  Beside its weights a file has a graph. That of the float file is in all; each int8 block adds to
  it, and each conversion between float and int8, of which a block alone in int8 has two. What a
  conversion adds is taken to be half of what the block adds whose file grows least, and what
  blocks add is the rest. A file that is smaller all the same lowers the bound; one that is never
  made may be missed.

  Args:
    files: `MixedFiles`.
    free: the blocks that can be int8.
    most: `max_size`.

  Attributes:
    row: for the program.
  """

  def __init__(self, files: MixedFiles, free: Sequence[int], most: str) -> None:
    self._files, self._free = files, free
    self._all_int8 = files.content(free)
    self._in_float = files.weights(files.in_float)
    self._in_int8 = files.weights(self._all_int8)
    size = files.size(files.in_float)
    self._is_known = False
    self.row = BlockCosts(
      tuple(float(self._in_float[block]) for block in free),
      tuple(float(self._in_int8[block]) for block in free),
      most=number_of("--max_size", LIMITS_OF_MIXED["max_size"], most, size),
      constant=float(size - sum(self._in_float[block] for block in free)),
      edges=_edges(files.blocks, free),
    )

  @property
  def smallest(self) -> int:
    """Bytes of the file of which all blocks are int8 that can be."""
    return self._files.size(self._all_int8)

  @property
  def all_int8_fits(self) -> bool:
    return self.smallest <= self.row.most

  def fits(self, content: bytes) -> bool:
    return self._files.size(content) <= self.row.most

  def learn(self, picks: Sequence[bool], content: bytes, is_bound: bool) -> None:
    """Takes in that the file of a choice is too large; without `is_bound` all have as much more."""
    if not self._is_known:
      self._is_known = True
      self._measure_blocks()
      self._lower([True] * len(self._free), self.smallest)
    size = self._files.size(content)
    self._lower(picks, size)
    if not is_bound:
      more = max(size - self.row.of(picks), 1.0)
      self.row = dataclasses.replace(self.row, constant=self.row.constant + more)

  def _measure_blocks(self) -> None:
    """Sets what each block adds, and a conversion."""
    row, added = self.row, []
    for at, block in enumerate(self._free):
      alone = [number == at for number in range(len(self._free))]
      added.append(self._files.size(self._files.content({block})) - row.of(alone))
    change = max(min(added, default=0.0) / 2, 0.0)
    in_int8 = tuple(cost + more - 2 * change for cost, more in zip(row.in_int8, added, strict=True))
    self.row = dataclasses.replace(row, in_int8=in_int8, change=change)

  def _lower(self, picks: Sequence[bool], size: int) -> None:
    below = max(self.row.of(picks) - size, 0.0)
    self.row = dataclasses.replace(self.row, constant=self.row.constant - below)


def _edges(blocks: Sequence[int], free: Sequence[int]) -> tuple[tuple[int, ...], ...]:
  """The edges of `BlockCosts` along the network, whose input and output are float."""
  places = [None, *(free.index(block) if block in free else None for block in blocks), None]
  pairs = (tuple(at for at in pair if at is not None) for pair in itertools.pairwise(places))
  return tuple(pair for pair in pairs if pair)


def _costs(free: Sequence[int], text: str, milliseconds: Milliseconds) -> BlockCosts:
  in_float, in_int8, _ = milliseconds
  return BlockCosts(
    tuple(in_float[block - 1] for block in free),
    tuple(in_int8[block - 1] for block in free),
    most=number_of("--max_latency", LIMITS_OF_MIXED["max_latency"], text, total(in_float)),
    constant=total(cost for at, cost in enumerate(in_float) if at + 1 not in free),
  )


def _unreachable(latency: BlockCosts | None, sizes: Sizes | None) -> str:
  """Why no choice meets the limits, in a sentence."""
  if latency and latency.least > latency.most:
    return (
      f"--max_latency of {latency.most:.4g} ms cannot be met: with each block in the quicker "
      f"precision the tables say {latency.least:.4g} ms."
    )
  assert sizes is not None  # a latency that can be met is met
  return (
    f"--max_size of {sizes.row.most:,.0f} bytes cannot be met"
    + (" within --max_latency" if latency else "")
    + f": with all blocks in int8 that can be the file has {sizes.smallest:,} bytes."
  )
