"""Measures a latency table for a search space on this machine."""

import datetime
import itertools
import pathlib
import random
import tempfile

import numpy as np
from nadv2_tf.benchmarks.host import HostLatencyMeter, time_files
from nadv2_tf.benchmarks.pieces import COPIES, piece_file

from nadv2_tf.resources.latency_table import (
  TWO_CHANNEL_COUNTS,
  LatencyTable,
  kilobytes,
  pieces,
)

#: share of the full channel count at which a shape is measured; in between it is interpolated
IN_SHARES = (0.25, 1.0)
KEPT_SHARES = {"conv": (0.125, 0.5, 1.0), "depthwise": (0.125, 0.5, 1.0)}
OTHER_SHARES = (0.25, 1.0)
#: whole networks that fix the table's scale and cache term
CALIBRATION_NETWORKS = 7


def shapes_of(space):
  """{Piece without channel counts: (most input channels, most kept)} that the space can need."""
  largest = {}
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
        for width in {decision.choices[0], decision.choices[1]}:
          yield space.decode([*row[:column], width, *row[column + 1 :]])


def grid(shape, most_inputs, most_kept):
  """The pieces of one shape that are measured."""

  def axis(most, shares):
    return sorted({max(round(most * share), 1) for share in shares})

  kept_axis = axis(most_kept, KEPT_SHARES.get(shape.kind, OTHER_SHARES))
  if shape.kind not in TWO_CHANNEL_COUNTS:
    pairs = [(kept, kept) for kept in kept_axis]
  else:
    pairs = itertools.product(axis(most_inputs, IN_SHARES), kept_axis)
  return [
    type(shape)(**{**vars(shape), "in_channels": inputs, "kept": kept}) for inputs, kept in pairs
  ]


def measure_table(space, num_threads=1, report=None, seed=0):
  """Times every piece of a search space on this machine.

  Args:
    space: the `SearchSpace`.
    num_threads: of the interpreter.
    report: called with (done, total) while files are built.
    seed: of the calibration networks.

  Returns:
    A `LatencyTable`. Its facts name device, runtime, threads, the whole networks it was calibrated
    on and the largest error on them.
  """
  wanted = [piece for shape, most in shapes_of(space).items() for piece in grid(shape, *most)]
  with tempfile.TemporaryDirectory() as folder:
    paths = []
    for index, piece in enumerate([None, *wanted]):
      path = pathlib.Path(folder) / f"{index}.tflite"
      path.write_bytes(piece_file(piece))
      paths.append(path)
      if report:
        report(index + 1, len(wanted) + 1)
    timings = time_files(paths, num_threads, runs=20, repeats=3, seconds=0.004)
  overhead = timings[0].median_ms
  rows = {
    piece: max(timing.median_ms - overhead, 0.0) / COPIES
    for piece, timing in zip(wanted, timings[1:], strict=True)
  }
  facts = {
    "backbone": space.network.name,
    "input_shape": "x".join(map(str, space.network.input_shape)),
    "device": timings[0].device,
    "runtime": timings[0].runtime,
    "num_threads": num_threads,
    "date": datetime.date.today().isoformat(),
  }
  return calibrated(LatencyTable(rows, facts), space, num_threads, seed)


def calibrated(table, space, num_threads, seed):
  """The table with the scale and the cache term that fit whole networks of the space best."""
  specs = calibration_networks(space, seed)
  measured = HostLatencyMeter(num_threads).measure_all(specs)
  sums = [table.measure(spec) for spec in specs]
  sizes = [kilobytes(spec) for spec in specs]
  fitted = fit_cache_model(sums, sizes, measured)
  facts = {
    **table.facts,
    **{name: f"{value:.6g}" for name, value in fitted.items()},
    "largest_ms": f"{measured[0]:.6g}",
    "calibration_ms": " ".join(f"{value:.5g}" for value in measured),
  }
  table = LatencyTable(table.rows, facts)
  errors = [
    abs(table.measure(spec) / value - 1) for spec, value in zip(specs, measured, strict=True)
  ]
  return LatencyTable(table.rows, {**facts, "calibration_error": f"{max(errors):.3f}"})


def calibration_networks(space, seed):
  """The largest network and others spread over the space's range of sizes."""
  rng = random.Random(seed)
  specs = [space.largest()]
  for index in range(1, CALIBRATION_NETWORKS):
    share = 1 - 0.85 * index / CALIBRATION_NETWORKS
    row = []
    for decision in space.decisions:
      last = len(decision.choices) - 1
      level = round(share * last + rng.uniform(-1.5, 1.5))
      row.append(decision.choices[min(max(level, 0), last)])
    specs.append(space.decode(row))
  return specs


def fit_cache_model(sums, sizes, measured):
  """The `scale`, `spill_ms_per_kb` and `cache_kb` with the least squared relative error.

  Args:
    sums: milliseconds of each network by its rows alone.
    sizes: kilobytes of each network's parameters.
    measured: milliseconds of each network, measured.

  The candidates for the size of the cache are the networks' own sizes; scale and spill follow by
  least squares and are at least 0.
  """
  measured = np.asarray(measured)
  best = None
  for cache_kb in (0.0, *sizes):
    spilled = np.maximum(np.asarray(sizes) - cache_kb, 0.0)
    features = np.stack([np.asarray(sums), spilled], axis=1) / measured[:, None]
    coefficients, *_ = np.linalg.lstsq(features, np.ones(len(measured)), rcond=None)
    if coefficients[0] <= 0 or coefficients[1] < 0:
      scale = features[:, 0].sum() / np.square(features[:, 0]).sum()
      coefficients = np.array([scale, 0.0])
    error = float(np.square(features @ coefficients - 1).sum())
    if best is None or error < best[0]:
      best = (error, *coefficients.tolist(), cache_kb)
  return {"scale": best[1], "spill_ms_per_kb": best[2], "cache_kb": best[3]}
