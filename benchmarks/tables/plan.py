"""Which layer shapes, and which whole networks, are measured for a latency table."""

from __future__ import annotations

import dataclasses
import itertools
import random
from typing import TYPE_CHECKING

from nadv2_tf.resources.pieces import TWO_CHANNEL_COUNTS, pieces

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable

  from nadv2_tf.resources.pieces import Piece
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: Shares of the full channel count at which a shape is measured; in between it is interpolated.
#: 1.3 to 2.2 times as many rows predicted whole networks no better (median error on 60 networks:
#: 2.4 to 2.9 % with these, 2.2 to 3.5 % with those; docs/decisions/0004).
IN_SHARES = (0.125, 1.0)
KEPT_SHARES = {"conv": (0.0625, 0.25, 0.5, 1.0), "depthwise": (0.0625, 0.25, 0.5, 1.0)}
OTHER_SHARES = (0.125, 1.0)
#: candidates drawn for each network that is taken
CANDIDATES = 40
#: how far a network's layers differ in relative size, drawn anew for each network
SMALLEST_NOISE, LARGEST_NOISE = 0.05, 0.4


def planned_pieces(space: SearchSpace) -> list[Piece]:
  """The `Piece`s that are measured for a space, from which all its others are interpolated."""
  return [piece for shape, most in shapes_of(space).items() for piece in grid(shape, *most)]


def shapes_of(space: SearchSpace) -> dict[Piece, tuple[int, int]]:
  """{Piece without channel counts: (most input channels, most kept)} that the space can need."""
  largest: dict[Piece, tuple[int, int]] = {}
  for spec in _probes(space):
    for layer in itertools.chain.from_iterable(spec.layers()):
      for piece in pieces(layer):
        inputs, kept = largest.get(piece.shape, (0, 0))
        largest[piece.shape] = max(inputs, piece.in_channels), max(kept, piece.kept)
  return largest


def _probes(space):
  """Networks that together have every kind of piece of the space at its largest size.

  Widths full with each kernel size in turn, and every single width one step, and all the way,
  down; the full channel counts come from the first.
  """
  full = space.encode(space.largest())
  kernels = {
    size for decision in space.decisions if decision.kind == "kernel" for size in decision.choices
  }
  for size in sorted(kernels, reverse=True) or [None]:
    row = list(full)
    for column, decision in enumerate(space.decisions):
      if decision.kind == "kernel":
        row[column] = max(
          (choice for choice in decision.choices if choice <= size), default=decision.choices[0]
        )
    yield space.decode(row)
    for column, decision in enumerate(space.decisions):
      if decision.kind == "width":
        for width in set(decision.choices[:2]):
          yield space.decode([*row[:column], width, *row[column + 1 :]])


def grid(shape: Piece, most_inputs: int, most_kept: int) -> list[Piece]:
  """The pieces of one shape that are measured."""

  def axis(most: int, shares: Iterable[float]) -> list[int]:
    return sorted({max(round(most * share), 1) for share in shares})

  kept_axis = axis(most_kept, KEPT_SHARES.get(shape.kind, OTHER_SHARES))
  if shape.kind not in TWO_CHANNEL_COUNTS:
    pairs: Iterable[tuple[int, int]] = [(kept, kept) for kept in kept_axis]
  else:
    pairs = itertools.product(axis(most_inputs, IN_SHARES), kept_axis)
  return [dataclasses.replace(shape, in_channels=inputs, kept=kept) for inputs, kept in pairs]


def networks_over_range(
  space: SearchSpace, count: int, seed: int, measure: Callable[[NetworkSpec], float]
) -> list[NetworkSpec]:
  """`count` different random networks, spread evenly over the range of `measure`.

  A network has a size, and its layers scatter around it. Layers drawn each by itself would all
  come out at the same middle latency.

  Args:
    space: the `SearchSpace`.
    count: how many; fewer come back if the space has fewer.
    seed: of the networks.
    measure: spec -> predicted resource.

  Returns:
    The specs, smallest first.
  """
  rng = random.Random(seed)
  drawn: dict[tuple[int, ...], None] = {}
  for _ in range(CANDIDATES * count):
    row = random_row(space, rng)
    drawn.setdefault(space.encode(space.decode(row)), None)
  candidates = sorted((measure(space.decode(row)), row) for row in drawn)
  smallest, largest = measure(space.smallest()), measure(space.largest())
  chosen = []
  for index in range(min(count, len(candidates))):
    goal = smallest + (largest - smallest) * (index + 0.5) / count
    nearest = min(candidates, key=lambda candidate: abs(candidate[0] - goal))
    candidates.remove(nearest)
    chosen.append(nearest)
  return [space.decode(row) for _, row in sorted(chosen)]


def random_row(space: SearchSpace, rng: random.Random) -> list[int]:
  size = rng.random()
  noise = rng.uniform(SMALLEST_NOISE, LARGEST_NOISE)
  row = []
  for decision in space.decisions:
    last = len(decision.choices) - 1
    level = round((size + rng.gauss(0, noise)) * last)
    row.append(decision.choices[min(max(level, 0), last)])
  return row
