"""Draws which sub-network each image of a batch trains. NumPy only.

Source: NetAdaptV2, section 2.3: in each layer every width is used almost equally often in a pass.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.spec.space import Decision

#: the share of its layers that are cut at most where a few of the full network's are
MOST_CUT = 0.55


@dataclasses.dataclass(frozen=True)
class WidthSampler:
  """Rows of `widths` for every training step, a function of seed and step alone.

  Attributes:
    space: the `SearchSpace`.
    batch_size: rows of a batch.
    subnetworks: G, how many sub-networks a batch trains; it divides `batch_size`, and each takes
      `batch_size / G` neighbouring rows. G = `batch_size` is the paper's form.
    full: how many of the G are the full network in every step, at the step's kernel sizes.
    smallest: how many of the G are the smallest network in every step.
    full_steps: in the first so many steps every sub-network is the full network: shared weights
      learn little while most channels of an untrained network are masked.
    size_noise: how the widths of different layers go together. Every sub-network of a batch has
      a size, and each layer hands out its widths in the order of the sizes plus normal noise of
      this standard deviation (sizes are spread evenly over [0, 1)). The counts of the widths do
      not change. Infinity shuffles every layer by itself.
    block_noise: how unevenly the blocks of a sub-network may be cut. Every sub-network draws a
      strength up to this; normal noise of that strength moves all layers of a block together, so
      that networks with nearly empty blocks beside full ones are trained. 0: no such noise.
    own_kernels: whether each sub-network draws its own kernel sizes, balanced over the batch as
      widths are; else one size a step serves all, which the masked execution needs.
    cut: how many of the G are the full network with a few layers cut: of 1 to `MOST_CUT` of its
      layers, drawn anew for each, every one has a width drawn by itself. This is what a coordinate
      descent proposes: a layer that is gone beside others that are whole, which sub-networks whose
      layers have sizes in common never show.
    values: for each decision of the space what may be drawn of it, ascending; one value is not
      varied. The full and the smallest network are then those of these values. (): all choices.
    seed: of all draws.

  Differs from the paper, which draws the layers independently: then the resources of all
  sub-networks crowd around the middle (54 independent layers average out), and the networks that
  a search from the largest one meets are never trained. docs/decisions/0002 has the figures.

  Raises:
    ValueError: if `subnetworks` does not divide `batch_size`, or `full`, `smallest` and `cut`
      together exceed it, or `values` are not those of the space.
  """

  space: SearchSpace
  batch_size: int
  subnetworks: int
  full: int = 0
  full_steps: int = 0
  size_noise: float = math.inf
  smallest: int = 0
  own_kernels: bool = False
  seed: int = 0
  block_noise: float = 0.0
  cut: int = 0
  values: tuple[tuple[int, ...], ...] = ()

  def __post_init__(self) -> None:
    if not 1 <= self.subnetworks <= self.batch_size or self.batch_size % self.subnetworks:
      raise ValueError(
        f"--subnetworks_per_batch must divide the batch size {self.batch_size}, got "
        f"{self.subnetworks}."
      )
    of_a_kind = (self.full, self.smallest, self.cut)
    if min(of_a_kind) < 0 or sum(of_a_kind) > self.subnetworks:
      raise ValueError(
        f"--full_subnetworks must be from 0 to the {self.subnetworks} sub-networks of a batch, "
        "with --smallest_subnetworks and --cut_subnetworks beside them; got "
        f"{self.full}, {self.smallest} and {self.cut}."
      )
    if not self.size_noise >= 0:
      raise ValueError(f"--size_noise must be at least 0, or inf; got {self.size_noise}.")
    if not 0 <= self.block_noise < math.inf:
      raise ValueError(f"--block_noise must be at least 0, got {self.block_noise}.")
    if self.block_noise and math.isinf(self.size_noise):
      raise ValueError("--block_noise does nothing where --size_noise=inf draws every layer alone.")
    self._check_values()

  def _check_values(self) -> None:
    decisions = self.space.decisions
    if self.values and len(self.values) != len(decisions):
      raise ValueError(
        f"The space of {self.space.network.name!r} has {len(decisions)} decisions, got values of "
        f"{len(self.values)}."
      )
    for decision, values in zip(decisions, self.values, strict=False):
      if not values or not set(values) <= set(decision.choices):
        raise ValueError(
          f"Values of {decision.name} must be some of {decision.choices}, got {values}."
        )

  def _choices(self, column: int) -> tuple[int, ...]:
    """What may be drawn of one decision."""
    return self.values[column] if self.values else self.space.decisions[column].choices

  def batch(self, step: int) -> np.ndarray:
    """int32 [batch_size, decisions] for training step `step`."""
    rng = np.random.default_rng([self.seed, 2, step])
    rows = np.empty((self.subnetworks, len(self.space)), np.int32)
    full = self.subnetworks if step < self.full_steps else self.full
    smallest, cut = (0, 0) if step < self.full_steps else (self.smallest, self.cut)
    sampled = self.subnetworks - full - smallest - cut
    sizes = rng.permutation(sampled) / max(sampled, 1)
    sizes_in = self._sizes_in_blocks(sizes, step)
    for column, decision in enumerate(self.space.decisions):
      choices = self._choices(column)
      if decision.kind == "kernel" and not self.own_kernels:
        rows[:, column] = self._kernel(column, choices, step)
        continue
      # A large kernel has no more channels: sizes order widths alone.
      sizes_here = sizes_in(decision) if decision.kind == "width" else None
      rows[:full, column] = choices[-1]
      rows[full : full + sampled, column] = self._drawn(choices, sampled, sizes_here, rng)
      rows[full + sampled :, column] = choices[0]
      rows[self.subnetworks - cut :, column] = choices[-1]
    self._cut(rows[self.subnetworks - cut :], step)
    return np.repeat(rows, self.batch_size // self.subnetworks, axis=0)

  def _cut(self, rows: np.ndarray, step: int) -> None:
    """Cuts some layers of each of `rows`, which are the full network."""
    columns = [
      at
      for at, decision in enumerate(self.space.decisions)
      if decision.kind == "width" and (not self.values or len(self.values[at]) > 1)
    ]
    rng = np.random.default_rng([self.seed, 5, step])
    most = max(round(MOST_CUT * len(columns)), 1)
    for row in rows:
      for column in rng.permutation(columns)[: rng.integers(1, most + 1)]:
        row[column] = rng.choice(self._choices(column))

  def _sizes_in_blocks(self, sizes: np.ndarray, step: int) -> Callable[[Decision], np.ndarray]:
    """A function of a decision: the sizes of the sub-networks in its (first) block."""
    if not self.block_noise:
      return lambda decision: sizes
    rng = np.random.default_rng([self.seed, 4, step])
    strengths = self.block_noise * rng.uniform(size=len(sizes))
    noise = rng.normal(size=(len(self.space.network.blocks), len(sizes)))
    return lambda decision: sizes + strengths * noise[decision.blocks[0]]

  def _drawn(
    self,
    choices: Sequence[int],
    count: int,
    sizes: np.ndarray | None,
    rng: np.random.Generator,
  ) -> np.ndarray:
    """One decision's value for every sampled sub-network, in the order of `sizes` if given."""
    values = balanced(choices, count, rng)
    if math.isinf(self.size_noise) or sizes is None:
      return values
    by_size = np.argsort(np.argsort(sizes + self.size_noise * rng.normal(size=count)))
    return np.sort(values)[by_size]

  def _kernel(self, column: int, choices: Sequence[int], step: int) -> np.integer:
    """One size a step; within a cycle of as many steps as sizes, each is used once."""
    cycle, position = divmod(step, len(choices))
    rng = np.random.default_rng([self.seed, 3, column, cycle])
    return rng.permutation(choices)[position]


def balanced(choices: Sequence[int], count: int, rng: np.random.Generator) -> np.ndarray:
  """`count` draws from `choices`, shuffled, whose counts differ by at most one."""
  rounds = -(-count // len(choices)) or 1
  tiled = np.concatenate([rng.permutation(choices) for _ in range(rounds)])[:count]
  return rng.permutation(tiled)
