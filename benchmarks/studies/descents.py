"""How coordinate descent should shrink and choose: searches from one trained full network.

  python -m nadv2_tf.benchmarks.studies.descents --run=RUN --output=FOLDER --shares=0.6,0.5,0.4 \\
    --search=mcd,layers_per_sample=10,choose_by=accuracy --search=mcd,layers_per_sample=3 \\
    --search=scd --trained_epochs=1

RUN is a run with a latency table whose full network was trained first. Every --search is an
optimizer with settings that are not its defaults; it searches by the table alone, for all --shares
of the largest network's latency, with the full network's weights and the race of the commands. What
it finds is scored on all images of the hold-out, cut out of the full network, trained for
--trained_epochs without the hold-out, and scored there again.

What stands in --output is not measured again.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import statistics
import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import check_same, in_file
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.search import OPTIMIZERS

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.search import Optimizer
  from nadv2_tf.spec import NetworkSpec

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string("run", None, "Folder of a run.", required=True)
  flags.DEFINE_string("output", None, "Folder of what was measured.", required=True)
  flags.DEFINE_list("shares", ["0.6", "0.5", "0.4"], "Of the largest network's latency.")
  flags.DEFINE_multi_string("search", ["mcd"], "An optimizer, and settings with commas before.")
  flags.DEFINE_float("trained_epochs", 0.0, "Epochs of what is found; 0: none.", lower_bound=0)
  flags.DEFINE_integer("seed", 0, "Of search and training.", lower_bound=0)


def main(arguments: list[str]) -> None:
  del arguments
  from nadv2_tf.benchmarks.studies import peers
  from nadv2_tf.benchmarks.studies.super_networks import trained_from_full

  folder, shares = pathlib.Path(FLAGS.output), [float(share) for share in FLAGS.shares]
  asked = {"shares": shares, "trained_epochs": FLAGS.trained_epochs, "seed": FLAGS.seed}
  check_same(folder, asked | {"run": str(pathlib.Path(FLAGS.run).resolve())})
  optimizers = {text: optimizer_of(text) for text in FLAGS.search}
  setting = peers.opened(FLAGS.run)
  model, _ = trained_from_full(setting, 0)

  def found(text: str, optimizer: Optimizer) -> dict[str, Any]:
    path = folder / f"{text.replace(',', '_')}.json"
    return in_file(path, lambda: _found(setting, model, optimizer, shares))

  results = {text: found(text, optimizer) for text, optimizer in optimizers.items()}
  told = " ".join(f"--search={text}" for text in FLAGS.search)
  print(
    f"$ python -m nadv2_tf.benchmarks.studies.descents --shares={','.join(FLAGS.shares)} {told} "
    f"--trained_epochs={FLAGS.trained_epochs:g} --seed={FLAGS.seed}"
  )
  print(f"{datetime.date.today()}, {processor_name()}")
  for line in lines(results, shares):
    print(line)


def optimizer_of(text: str) -> Optimizer:
  """The optimizer that a --search names, such as "mcd,layers_per_sample=3,choose_by=ratio".

  Raises:
    ValueError: if there is none of that name, or a setting is none of its own.
  """
  name, *settings = text.split(",")
  kind = OPTIMIZERS[name]
  fields: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(kind)}
  values: dict[str, Any] = {}
  for one in settings:
    key, _, value = one.partition("=")
    if key not in fields:
      raise ValueError(f"--search={text}: {name} has {', '.join(fields)}, and no {key!r}.")
    values[key] = type(fields[key])(value)
  return kind(**values)


def lines(results: Mapping[str, Mapping[str, Any]], shares: Sequence[float]) -> Iterator[str]:
  """The study's table.

  Args:
    results: {text of a search: what `_found` gives}.
    shares: the targets, the largest first.
  """
  yield "accuracy on the hold-out in percent, before and after training; mean of the targets last"
  head = "".join(f"{f'{share:g}: before':>12s}{'after':>8s}{'M MACs':>8s}" for share in shares)
  yield f"{'':52s}{'samples':>8s}{'seconds':>8s}{head}{'before':>9s}{'after':>8s}"
  for text, found in results.items():
    cells = "".join(
      f"{_percent(one['before']):>12s}{_percent(one['after']):>8s}{one['macs'] / 1e6:8.2f}"
      for one in found["networks"]
    )
    means = [_mean([one[when] for one in found["networks"]]) for when in ("before", "after")]
    yield (
      f"{text:52s}{found['samples']:8d}{found['seconds']:8.0f}{cells}"
      f"{_percent(means[0]):>9s}{_percent(means[1]):>8s}"
    )


def _percent(value: float | None) -> str:
  return "-" if value is None else f"{100 * value:.1f}"


def _mean(values: Sequence[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return statistics.mean(known) if known else None


def _found(
  setting: Setting, model: SuperNetwork, optimizer: Optimizer, shares: Sequence[float]
) -> dict[str, Any]:
  """{"samples", "seconds" of the search, "networks": [of each share what came of it]}."""
  from nadv2_tf.benchmarks.studies.cut_networks import trained_accuracy
  from nadv2_tf.pipeline.stages.search import make_evaluator
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.search import Problem, Race, minimize

  space = setting.bench.space
  table = LatencyTable.from_csv(setting.folder.latency_table)
  largest = table.measure(space.largest())
  *larger, smallest = (share * largest for share in sorted(shares, reverse=True))
  problem = Problem(space, space.largest(), table, smallest, larger_targets=tuple(sorted(larger)))
  evaluator, begun = make_evaluator(setting.bench, model, setting.search), time.monotonic()
  race = Race() if len(evaluator.part_sizes) > 1 else None
  result = minimize(problem, optimizer, evaluator, seed=FLAGS.seed, race=race)
  seconds = time.monotonic() - begun
  found = sorted(result.found, key=lambda one: -one.target)
  images = setting.bench.datasets.holdout

  def trained(spec: NetworkSpec) -> float:
    return trained_accuracy(setting, spec, FLAGS.trained_epochs, images, FLAGS.seed)

  before = evaluator.accuracy([one.spec for one in found])
  return {
    "samples": result.samples_scored,
    "seconds": seconds,
    "networks": [
      {
        "before": float(score),
        "after": trained(one.spec) if FLAGS.trained_epochs else None,
        "macs": int(one.spec.macs()),
        "resource": one.resource,
        "spec": one.spec.to_json(),
      }
      for one, score in zip(found, before, strict=True)
    ],
  }


if __name__ == "__main__":
  define_flags()
  app.run(main)
