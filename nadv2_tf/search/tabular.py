"""A search space of which every network was trained once: searches against a known optimum."""

import bisect
import csv
import itertools
import pathlib
from collections.abc import Callable, Mapping, Sequence

from nadv2_tf.search.problem import Problem
from nadv2_tf.spec import NetworkSpec, SearchSpace
from nadv2_tf.spec.blocks import Block, Conv, Head, InvertedResidual
from nadv2_tf.spec.space import Decision
from nadv2_tf.types import AnyPath

#: layers and channels of the benchmark's stages, the first layer of each with stride 2
STAGES = ((2, 64), (3, 128), (3, 256))
STEM, LAST = 32, 1280
#: expansion and kernel of the choices 1 and 2; choice 0 is the identity, or a 1x1 convolution
BLOCKS = {1: (3, 3), 2: (6, 5)}
COLUMNS = ("network", "mean_accuracy_percent", "macs")


class TabularBenchmark:
  """NAS-Bench-Macro as a problem, and as the `Evaluator` and the meter of it.

  Its layers choose among three blocks, here 0, 1 and 2 by their cost, and a grid step of a
  decision is the next cheaper block. The networks of `space` are stand-ins: each layer is a
  convolution that keeps as many filters as its choice says. Nothing but `space.encode` is ever
  read from them, so the optimizers run as they do on a true space, and nothing is distorted.

  Args:
    rows: {tuple of choices: (accuracy in [0, 1], MACs)}, with every combination of choices.

  Source: Prioritized Architecture Sampling with Monto-Carlo Tree Search, Su et al., CVPR 2021.
  """

  unit = "MACs"
  is_exact = True

  def __init__(self, rows: Mapping[tuple[int, ...], tuple[float, float]]) -> None:
    layers, choices = len(next(iter(rows))), tuple(sorted({row[0] for row in rows}))
    if set(rows) != set(itertools.product(choices, repeat=layers)):
      raise ValueError(f"A table must have every network of {layers} layers of {choices}.")
    # The first layer of a network may not be removed; so no choice is its.
    stand_in = (Conv(1), *[Conv(choices[-1])] * layers)
    self.rows = rows
    self.space = SearchSpace(
      NetworkSpec("tabular", (1, 1, 1), stand_in),
      tuple(Decision("width", "filters", (index + 1,), choices) for index in range(layers)),
    )

  @classmethod
  def from_csv(cls, path: AnyPath) -> "TabularBenchmark":
    """Reads a table with `COLUMNS`; a network is one digit a layer, lines of `#` are comments."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    table = csv.reader(line for line in lines if not line.startswith("#"))
    header = tuple(next(table, ()))
    if header != COLUMNS:
      raise ValueError(f"{path}: the columns must be {', '.join(COLUMNS)}; got {header}.")
    return cls(
      {
        tuple(map(int, network)): (float(accuracy) / 100, float(macs))
        for network, accuracy, macs in table
      }
    )

  def accuracy(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """See `Evaluator`: the accuracy of each network, trained alone."""
    return [self.rows[self.space.encode(spec)][0] for spec in specs]

  def measure(self, spec: NetworkSpec) -> float:
    """See `ResourceMeter`."""
    return self.rows[self.space.encode(spec)][1]

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    """MACs of the stem, with the classifier, and of each layer; they add up to `measure`."""
    row = self.space.encode(spec)
    least = self.rows[(0,) * len(row)][1]
    alone = (
      (0,) * layer + (choice,) + (0,) * (len(row) - layer - 1) for layer, choice in enumerate(row)
    )
    return (least, *(self.rows[each][1] - least for each in alone))

  def network(self, spec: NetworkSpec) -> NetworkSpec:
    """The network that a stand-in of eight layers stands for.

    How it is built is told by the table: every network has the MACs that stand there.
    """
    blocks: list[Block] = [Conv(STEM, 3)]
    row, inputs = iter(self.space.encode(spec)), STEM
    for layers, outputs in STAGES:
      for number, choice in zip(range(layers), row, strict=False):
        stride = 1 if number else 2
        if choice in BLOCKS:
          expansion, kernel = BLOCKS[choice]
          wide = expansion * inputs
          blocks.append(
            InvertedResidual(
              wide, wide, outputs, kernel, stride, activation="relu6", residual=stride == 1
            )
          )
        elif stride == 2:
          blocks.append(Conv(outputs, 1, stride, "linear"))
        inputs = outputs
    return NetworkSpec("nas_bench_macro", (32, 32, 3), (*blocks, Conv(LAST), Head(10)))

  def problem(self, share: float) -> Problem:
    """Search for the best network of at most `share` of the largest network's MACs."""
    largest = self.space.largest()
    return Problem(self.space, largest, self, share * self.measure(largest))

  def ranks(self, target: float) -> tuple[Callable[[float], int], int]:
    """A function from an accuracy to its rank among the networks within `target`; 1 is the best.

    Returns:
      (function, how many networks are within the target).
    """
    within = sorted(accuracy for accuracy, macs in self.rows.values() if macs <= target)
    return lambda accuracy: len(within) - bisect.bisect_right(within, accuracy) + 1, len(within)
