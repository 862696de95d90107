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
from typing import TYPE_CHECKING, Any, TypeAlias

from nadv2_tf.export import blocks
from nadv2_tf.options.amounts import number_of
from nadv2_tf.options.export import LIMITS_OF_MIXED
from nadv2_tf.resources.precisions import PrecisionTables
from nadv2_tf.search.bits_program import BlockCosts, best_bits
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

  from nadv2_tf.export.block_losses import BlockLosses
  from nadv2_tf.export.mixed_files import MixedFiles
  from nadv2_tf.options import ExportOptions
  from nadv2_tf.spec import NetworkSpec


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


#: (in float, in int8) of every block of a network
Milliseconds: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]


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
  return tables.block_milliseconds(spec)


def choose(
  files: MixedFiles,
  losses: BlockLosses,
  options: ExportOptions,
  milliseconds: Milliseconds | None = None,
) -> MixedFile:
  """The blocks that lose least together within `max_size` and `max_latency`.

  Weights are exact in the program. What else is in a file, such as conversions between float and
  int8 blocks, is known once it is there: if it is larger than it may be, the program is solved
  again with as much less for weights.

  Args:
    files: `MixedFiles`.
    losses: of its blocks.
    options: `ExportOptions`; their limits.
    milliseconds: of `milliseconds_of`.

  Raises:
    ValueError: naming the least that there is, if a limit cannot be met.
  """
  free = tuple(block for block in files.blocks if str(block) in losses.alone)
  resources = {}
  if milliseconds:
    resources["max_latency"] = _milliseconds(free, options.max_latency, *milliseconds)
  if options.max_size:
    resources["max_size"] = _bytes(files, free, options.max_size)
  most = resources["max_size"].most if options.max_size else None
  rows = dict(resources)
  while True:
    picks = best_bits([losses.added(block) for block in free], list(rows.values()))
    if picks is None:
      raise ValueError(_unreachable(files, free, resources))
    int8 = frozenset(itertools.compress(free, picks))
    content = files.content(int8)
    if most is None or files.size(content) <= most:
      break
    row = rows["max_size"]
    graph = files.size(content) - row.of(picks) + row.constant
    rows["max_size"] = dataclasses.replace(row, constant=max(graph, row.constant + 1))
  record: dict[str, Any] = {
    "int8_blocks": sorted(int8),
    "float_blocks": sorted(set(files.blocks) - int8),
    "refused": dict(losses.refused),
    "loss_in_float": losses.in_float,
    "losses_added": {str(block): losses.added(block) for block in free},
    "predicted_loss": losses.in_float + total(map(losses.added, int8)),
    "conversions": blocks.conversions(content),
  }
  if milliseconds:
    row = resources["max_latency"]
    record["predicted_ms"], record["most_ms"] = row.of(picks), row.most
  return MixedFile(content, int8, record)


def _bytes(files: MixedFiles, free: Sequence[int], text: str) -> BlockCosts:
  in_float, in_int8 = files.weights(files.in_float), files.weights(files.content(free))
  size = files.size(files.in_float)
  return BlockCosts(
    tuple(float(in_float[block]) for block in free),
    tuple(float(in_int8[block]) for block in free),
    most=number_of("--max_size", LIMITS_OF_MIXED["max_size"], text, size),
    constant=float(size - sum(in_float[block] for block in free)),
  )


def _milliseconds(
  free: Sequence[int], text: str, in_float: Sequence[float], in_int8: Sequence[float]
) -> BlockCosts:
  return BlockCosts(
    tuple(in_float[block - 1] for block in free),
    tuple(in_int8[block - 1] for block in free),
    most=number_of("--max_latency", LIMITS_OF_MIXED["max_latency"], text, total(in_float)),
    constant=total(cost for at, cost in enumerate(in_float) if at + 1 not in free),
  )


def _unreachable(
  files: MixedFiles, free: Sequence[int], resources: Mapping[str, BlockCosts]
) -> str:
  """Why no choice meets the limits, in a sentence."""
  size, milliseconds = (resources.get(name) for name in ("max_size", "max_latency"))
  if milliseconds and milliseconds.least > milliseconds.most:
    return (
      f"--max_latency of {milliseconds.most:.4g} ms cannot be met: with each block in the quicker "
      f"precision the tables say {milliseconds.least:.4g} ms."
    )
  assert size is not None  # a latency that can be met is met
  smallest = files.size(files.content(free))
  return (
    f"--max_size of {size.most:,.0f} bytes cannot be met"
    + (" within --max_latency" if milliseconds else "")
    + f": with all blocks in int8 that can be the file has {smallest:,} bytes."
  )
