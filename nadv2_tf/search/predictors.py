"""What FLASH predicts, with its error: accuracy from NN-Degree, a resource from the layers."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import TYPE_CHECKING

from nadv2_tf.search.needs import LatencyMeter
from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence

  from nadv2_tf.search.problem import ResourceMeter
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape

#: of a, b and c of `AccuracyPredictor`; b is counted in medians of the samples' degrees
BOUNDS = ((0.0, 0.0, -20.0), (100.0, 50.0, 20.0))
STARTS = ((1.0, 1.0, -1.0), (1.0, 0.1, 0.0), (2.0, 5.0, -5.0))
#: of a fit; without noise its last digits would take thousands
MOST_STEPS = 100
BYTES = 4


@dataclasses.dataclass(frozen=True)
class AccuracyPredictor:
  """accuracy = 1 / (a + exp(b / g + c)) of the NN-Degree g; b is at least 0, so more is better.

  Source: FLASH, the form of its predictor, as far as it is known.
  """

  a: float
  b: float
  c: float

  def __call__(self, degree: float) -> float:
    return 1 / (self.a + math.exp(min(self.b / degree + self.c, 700.0)))

  @classmethod
  def fitted(
    cls,
    degrees: Sequence[float],
    accuracies: Sequence[float],
    near: AccuracyPredictor | None = None,
  ) -> AccuracyPredictor:
    """The least squares of samples; `near` is where to begin, None looks from several places."""
    import numpy as np
    from scipy.optimize import least_squares

    unit = statistics.median(degrees)
    shares, known = np.array(degrees) / unit, np.array(accuracies)

    def errors(abc):
      return 1 / (abc[0] + np.exp(abc[1] / shares + abc[2])) - known

    def slopes(abc):
      grown = np.exp(abc[1] / shares + abc[2])
      outer = -1 / (abc[0] + grown) ** 2
      return np.stack([outer, outer * grown / shares, outer * grown], axis=1)

    starts = STARTS if near is None else [np.clip((near.a, near.b / unit, near.c), *BOUNDS)]
    fits = [
      least_squares(errors, start, slopes, bounds=BOUNDS, max_nfev=MOST_STEPS) for start in starts
    ]
    a, b, c = min(fits, key=lambda fit: fit.cost).x
    return cls(float(a), float(b * unit), float(c))


def leave_one_out(degrees: Sequence[float], accuracies: Sequence[float]) -> float:
  """Root mean square error of predicting each sample from all the others, in accuracy."""
  squares, of_all = [], AccuracyPredictor.fitted(degrees, accuracies)
  for number, (degree, accuracy) in enumerate(zip(degrees, accuracies, strict=True)):
    degrees_left, accuracies_left = (
      [*values[:number], *values[number + 1 :]] for values in (degrees, accuracies)
    )
    without = AccuracyPredictor.fitted(degrees_left, accuracies_left, near=of_all)
    squares.append((without(degree) - accuracy) ** 2)
  return math.sqrt(total(squares) / len(squares))


@dataclasses.dataclass(frozen=True)
class ResourceModel:
  """A resource as a sum over layers: for each kind a constant, and so much a MAC and a byte.

  Attributes:
    weights: {kind of layer: (constant, of a MAC, of a byte of weights, of a byte that it reads or
      writes)}, none below 0.

  Source: FLASH, its models of computation and communication, as far as they are known.
  """

  weights: Mapping[str, tuple[float, ...]]

  def __call__(self, spec: NetworkSpec) -> float:
    return total(self._of(layer) for block in spec.layers() for layer in block)

  def _of(self, layer: LayerShape) -> float:
    weights = self.weights.get(layer.kind, ())
    return total(w * f for w, f in zip(weights, features(layer), strict=False))

  @classmethod
  def fitted(cls, meter: ResourceMeter, specs: Sequence[NetworkSpec]) -> ResourceModel:
    """The least squares of the layers of some networks, by a latency table; else of the networks.

    Args:
      meter: a `ResourceMeter`; what it gives for the networks is known, or free.
      specs: networks.
    """
    import numpy as np
    from scipy.optimize import nnls

    layers = [[layer for block in spec.layers() for layer in block] for spec in specs]
    kinds = sorted({layer.kind for inside in layers for layer in inside})
    samples: list[tuple[Iterable[LayerShape], float]]
    if isinstance(meter, LatencyMeter):
      single = dict.fromkeys(layer for inside in layers for layer in inside)
      samples = [((layer,), meter.layer_milliseconds(layer)) for layer in single]
    else:
      samples = list(zip(layers, map(meter.measure, specs), strict=True))
    width = len(features(layers[0][0]))
    rows = np.zeros((len(samples), len(kinds) * width))
    for row, (inside, _) in zip(rows, samples, strict=True):
      for layer in inside:
        start = width * kinds.index(layer.kind)
        row[start : start + width] += features(layer)
    largest = np.maximum(rows.max(axis=0), 1e-12)
    values = np.array([value for _, value in samples])
    found, _ = nnls(rows / largest, values)
    slopes = (found / largest).reshape(len(kinds), width)
    return cls({kind: tuple(map(float, row)) for kind, row in zip(kinds, slopes, strict=True)})

  def error(self, meter: ResourceMeter, specs: Sequence[NetworkSpec]) -> float:
    """Mean error on whole networks, as a share of what they cost on average; they may cost 0."""
    truths = list(map(meter.measure, specs))
    off = total(abs(self(spec) - truth) for spec, truth in zip(specs, truths, strict=True))
    return off / (total(truths) or 1.0)


def features(layer: LayerShape) -> tuple[float, ...]:
  """What the cost of a layer hangs on: that it is there, MACs, bytes of weights, bytes moved."""
  read = layer.in_height * layer.in_width * layer.in_channels
  written = layer.out_height * layer.out_width * layer.out_channels
  return (1.0, layer.macs(), BYTES * layer.exported_weights(), BYTES * (read + written))
