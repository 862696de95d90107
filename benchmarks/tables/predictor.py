"""Trains a latency predictor: on networks summed from a table, corrected by some that are timed."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.benchmarks.tables.calibration import agreement
from nadv2_tf.benchmarks.tables.plan import networks_over_range, random_row
from nadv2_tf.regressor import fitted
from nadv2_tf.resources.predictor import Encoding, LatencyPredictor

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence

  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: outputs of the hidden layers
HIDDEN = (128, 64)
#: a table's networks have smaller seeds
FEWEST_SEED = 10**6


@dataclass(frozen=True)
class Amounts:
  """How many networks a predictor is trained and checked with.

  Attributes:
    summed: from the table.
    timed: on the device, to correct what the table has wrong.
    held_out: others timed on the device, that the predictor's error is told of.
  """

  summed: int = 20000
  timed: int = 60
  held_out: int = 40


def train_predictor(
  space: SearchSpace,
  table: LatencyTable,
  measurement: TableMeasurement,
  amounts: Amounts,
  seed: int = 0,
) -> LatencyPredictor:
  """The `LatencyPredictor` of a space, its error on timed networks that it never saw in its facts.

  Args:
    space: the `SearchSpace`.
    table: of the space, on the same device.
    measurement: times whole networks; it keeps them in its partial file.
    amounts: see there.
    seed: of all networks and of the training.
  """
  table = table.as_it_is()  # what a predictor is asked about is timed and exported as it is
  rng = random.Random(seed)
  specs = [space.decode(random_row(space, rng)) for _ in range(amounts.summed)]
  specs += [space.smallest(), space.largest()]
  encoding = Encoding.of(space)
  rows = [encoding.features(spec) for spec in specs]
  regressor = fitted(rows, _roots([table.measure(spec) for spec in specs]), HIDDEN, seed)
  timed, held_out = _networks(space, table, amounts, rng)
  if timed:
    rows = [encoding.features(spec) for spec in timed]
    regressor = regressor.corrected(rows, _roots(measurement.networks(timed)))
  facts = {
    **{name: str(value) for name, value in measurement.header.items()},
    "date": datetime.date.today().isoformat(),
    "table_date": str(table.facts.get("date", "-")),
    "summed_networks": str(amounts.summed),
    "timed_networks": str(amounts.timed),
    "seed": str(seed),
  }
  predictor = LatencyPredictor(encoding, regressor, facts)
  if held_out:
    measured = measurement.networks(held_out)
    predictor.facts.update(errors("held_out", predictor, held_out, measured))
    predictor.facts.update(errors("table", table, held_out, measured))
  return predictor


def errors(
  name: str,
  meter: LatencyPredictor | LatencyTable,
  specs: Sequence[NetworkSpec],
  measured: Sequence[float],
) -> dict[str, str]:
  """{name_networks, name_error_mean, ..._median, ..._p90, ..._max, name_spearman: text}."""
  predicted = [meter.measure(spec) for spec in specs]
  mean = float(np.abs(np.asarray(predicted) / np.asarray(measured) - 1).mean())
  found = {"error_mean": mean, **agreement(predicted, measured)}
  return {f"{name}_{key}": f"{value:.4g}" for key, value in found.items() if np.isfinite(value)}


def describe(facts: Mapping[str, str]) -> str:
  """How well a predictor predicts, in a few words."""
  if "held_out_networks" not in facts:
    return "not checked on whole networks"
  return (
    f"on {facts['held_out_networks']} whole networks that it never saw mean error "
    f"{float(facts['held_out_error_mean']):.1%}, median {float(facts['held_out_error_median']):.1%}"
    f"; the table's mean {float(facts['table_error_mean']):.1%}"
  )


def _roots(milliseconds: Sequence[float]) -> np.ndarray:
  return np.sqrt(np.asarray(milliseconds, float))


def _networks(
  space: SearchSpace, table: LatencyTable, amounts: Amounts, rng: random.Random
) -> tuple[list[NetworkSpec], list[NetworkSpec]]:
  """(networks that correct, other networks that tell the error), both over the whole range."""
  count, seed = amounts.timed + amounts.held_out, rng.randrange(FEWEST_SEED, 2 * FEWEST_SEED)
  specs = networks_over_range(space, count, seed, table.measure)
  rng.shuffle(specs)
  # A small space has fewer networks than are asked for.
  timed = len(specs) * amounts.timed // count if count else 0
  return specs[:timed], specs[timed:]
