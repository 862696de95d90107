"""The fastest pipeline that a network has on an FPGA: units for all layers at once, exactly.

The pipeline gives an image in the cycles of its slowest layer. Which engine each layer gets is an
integer program:

  minimise    slowest
  subject to  sum over e of x[l, e] = 1                   each layer l has one of its engines e
              sum over e of cycles[l, e] x[l, e] <= slowest
              sum over l, e of dsp[l, e] x[l, e] <= DSPs   and the same of the BRAM
              x in {0, 1}

A search asks for it thousands of times, and it has a shape that makes it quick: `slowest` is the
cycles of some engine, so it is found by bisection; whether engines that are quick enough fit is a
knapsack with one choice for each layer, filled DSP by DSP with as little BRAM as possible.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

from nadv2_tf.resources import fpga
from nadv2_tf.resources.counts import BlockMemory

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.resources.fpga import Engine, Fpga
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape


@dataclasses.dataclass(frozen=True)
class Pipeline:
  """An accelerator: an `Engine` for each layer that computes, in the order of the layers."""

  device: Fpga
  engines: tuple[Engine, ...]

  @property
  def dsp(self) -> int:
    return sum(engine.dsp for engine in self.engines)

  @property
  def bram36(self) -> int:
    return sum(engine.bram36 for engine in self.engines)

  @property
  def interval_ms(self) -> float:
    """Milliseconds from one image to the next."""
    return max(engine.cycles for engine in self.engines) / self.device.clock_mhz / 1e3

  @property
  def latency_ms(self) -> float:
    """Milliseconds that an image takes, if no engine starts before the one in front is done."""
    return sum(engine.cycles for engine in self.engines) / self.device.clock_mhz / 1e3


class FpgaMeter:
  """Milliseconds from one image to the next of a network's fastest pipeline on a device.

  It is no sum: an engine that one layer does not need serves another. Fewer channels never take
  longer.

  Args:
    device: the `Fpga`.
  """

  unit = "ms"
  is_exact = True

  def __init__(self, device: Fpga) -> None:
    self._device = device
    self._engines = BlockMemory(self._of_layers)

  def measure(self, spec: NetworkSpec) -> float:
    """See `pipeline`."""
    return self.pipeline(spec).interval_ms

  def pipeline(self, spec: NetworkSpec) -> Pipeline:
    """The pipeline of the shortest interval within the DSPs and the BRAM of the device.

    Of those that are as fast it is one of the fewest BRAMs.

    Raises:
      ValueError: if even engines of one multiplier each do not fit, or nothing needs any.
    """
    options = list(itertools.chain.from_iterable(self._engines.of_blocks(spec)))
    if not options:
      raise ValueError(f"{spec.name!r} has no layer that an engine would be for.")
    intervals = sorted({one.cycles for each in options for one in each})
    least = bisect.bisect_left(intervals, max(each[0].cycles for each in options))
    quickest = bisect.bisect_left(
      range(len(intervals)),
      True,
      lo=least,
      key=lambda number: bool(_fitting(options, intervals[number], self._device)),
    )
    if quickest == len(intervals):
      raise ValueError(self._too_large(spec, options))
    return Pipeline(self._device, _fitting(options, intervals[quickest], self._device))

  def _of_layers(self, layers: tuple[LayerShape, ...]) -> tuple[list[Engine], ...]:
    return tuple(fpga.engines(layer, self._device) for layer in fpga.computed(layers))

  def _too_large(self, spec: NetworkSpec, options: Sequence[Sequence[Engine]]) -> str:
    device, dsp = self._device, sum(min(one.dsp for one in each) for each in options)
    bram36 = sum(min(one.bram36 for one in each) for each in options)
    return (
      f"{spec.name!r} does not fit into {device.name} as a pipeline: {len(options)} engines take "
      f"{dsp} DSPs and {bram36} BRAMs at least, it has {device.dsp} and {device.bram36}."
    )


def _fitting(options: Sequence[Sequence[Engine]], slowest: int, device: Fpga) -> tuple[Engine, ...]:
  """An engine for each layer that takes at most `slowest` cycles, () where they do not fit.

  fewest[l][d] is how many BRAMs the first l layers take at least with at most d DSPs.
  """
  import numpy as np

  quick = [_smallest([one for one in each if one.cycles <= slowest]) for each in options]
  if sum(each[0].dsp for each in quick) > device.dsp:
    return ()
  if sum(each[-1].bram36 for each in quick) > device.bram36:
    return ()
  dsp = min(device.dsp, sum(each[-1].dsp for each in quick))
  fewest = [np.zeros(dsp + 1)]
  for each in quick:
    row = np.full(dsp + 1, math.inf)
    for one in each:
      if one.dsp <= dsp:
        np.minimum(row[one.dsp :], fewest[-1][: dsp + 1 - one.dsp] + one.bram36, row[one.dsp :])
    fewest.append(row)
  if fewest[-1][dsp] > device.bram36:
    return ()
  chosen: list[Engine] = []
  for before, row, each in zip(fewest[-2::-1], fewest[:0:-1], reversed(quick), strict=True):
    one = next(
      one for one in each if one.dsp <= dsp and before[dsp - one.dsp] + one.bram36 == row[dsp]
    )
    chosen.append(one)
    dsp -= one.dsp
  return tuple(reversed(chosen))


def _smallest(engines: Sequence[Engine]) -> list[Engine]:
  """Of engines those that no other one is smaller than; more DSPs, fewer BRAMs."""
  found: list[Engine] = []
  for one in sorted(engines, key=lambda one: (one.dsp, one.bram36)):
    if not found or one.bram36 < found[-1].bram36:
      found.append(one)
  return found
