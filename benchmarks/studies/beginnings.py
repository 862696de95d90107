"""How a search with given weights should begin: which order of channels, how much training.

  python -m nadv2_tf.benchmarks.studies.beginnings --run=RUN --output=FOLDER

RUN is a finished run that began with a trained network. Two tables come of it, both measured on the
hold-out alone:

- for every --importance the mean accuracy of 50 sub-networks, before any training of the
  super-network and after one epoch of it;
- for several epochs of the super-network's training: Kendall's tau between the scores of 20
  sub-networks and their accuracy when each was cut out of the full network and trained.

The sub-networks are samples of the run's search, spread over its range. What stands in --output is
not measured again.
"""

from __future__ import annotations

import datetime
import pathlib
import statistics
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import check_same, in_file
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.options.training import IMPORTANCES

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.search.entries import SampleEntry

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string("run", None, "Folder of a finished run with --network.", required=True)
  flags.DEFINE_string("output", None, "Folder of what was measured.", required=True)
  flags.DEFINE_integer("samples", 50, "Sub-networks for the order of channels.", lower_bound=2)
  flags.DEFINE_integer("trained", 20, "Sub-networks that are trained for tau.", lower_bound=3)
  flags.DEFINE_float("trained_epochs", 2.0, "Epochs of each of these.", lower_bound=0)
  flags.DEFINE_multi_float("epochs", [0, 1, 2, 4], "Of the super-network, for tau.")


def main(arguments: list[str]) -> None:
  del arguments
  from nadv2_tf.benchmarks.studies import peers
  from nadv2_tf.benchmarks.studies.cut_networks import trained_accuracy

  folder = pathlib.Path(FLAGS.output)
  asked = {name: FLAGS[name].value for name in ("samples", "trained", "trained_epochs")}
  check_same(folder, asked | {"run": str(pathlib.Path(FLAGS.run).resolve())})
  setting = peers.opened(FLAGS.run)
  samples = _samples(setting, FLAGS.samples)

  def scored(name: str, ones: Sequence[SampleEntry], by: str, epochs: float) -> dict[str, Any]:
    path = folder / f"{name}_{epochs:g}.json"
    return in_file(path, lambda: _scored(setting, ones, by, epochs))

  def trained(number: int, one: SampleEntry) -> float:
    spec, images = setting.bench.space.decode(one.widths), setting.bench.datasets.holdout

    def make() -> dict[str, float]:
      return {"accuracy": trained_accuracy(setting, spec, FLAGS.trained_epochs, images)}

    return in_file(folder / f"trained_{number}.json", make)["accuracy"]

  scores = {
    (by, epochs): scored(by, samples, by, epochs)["scores"]
    for by in IMPORTANCES
    for epochs in (0.0, 1.0)
  }
  chosen = _samples(setting, FLAGS.trained)
  truths = [trained(number, one) for number, one in enumerate(chosen)]
  by = setting.bench.train_options.importance
  over = {epochs: scored("tau", chosen, by, epochs) for epochs in FLAGS.epochs}
  print(
    f"$ python -m nadv2_tf.benchmarks.studies.beginnings (--samples={FLAGS.samples} "
    f"--trained={FLAGS.trained} --trained_epochs={FLAGS.trained_epochs:g})"
  )
  print(f"{datetime.date.today()}, {processor_name()}")
  for line in [*order_lines(scores), "", *tau_lines(over, truths)]:
    print(line)


def order_lines(scores: Mapping[tuple[str, float], Sequence[float]]) -> Iterator[str]:
  """The table of orders; `scores`: {(importance, epochs): accuracy of each sub-network}."""
  count = len(next(iter(scores.values())))
  yield f"hold-out accuracy of {count} sub-networks, mean and standard error; epochs of training"
  yield f"{'':20s}{'0':>16s}{'1':>16s}"
  for by in dict.fromkeys(name for name, _ in scores):
    shown = ""
    for epochs in (0.0, 1.0):
      values = scores[by, epochs]
      error = statistics.stdev(values) / len(values) ** 0.5
      shown += f"{statistics.mean(values):9.2%} ±{100 * error:4.2f}"
    yield f"{by:20s}{shown}"


def tau_lines(
  over: Mapping[float, Mapping[str, list[float]]], trained: Sequence[float]
) -> Iterator[str]:
  """The table of epochs.

  Args:
    over: {epochs of the super-network: {"scores" of the sub-networks, "seconds" [of training]}}.
    trained: accuracy of each sub-network when it was trained.
  """
  from nadv2_tf.training.scoring.rank_correlation import kendall_tau, tau_interval

  yield f"Kendall's tau of {len(trained)} sub-networks' scores with their trained accuracy"
  yield f"{'epochs':>8s}{'tau':>8s}{'95 % interval':>18s}{'mean score':>12s}{'seconds':>9s}"
  for epochs, made in over.items():
    low, high = tau_interval(made["scores"], trained)
    yield (
      f"{epochs:8g}{kendall_tau(made['scores'], trained):8.2f}{f'{low:.2f} to {high:.2f}':>18s}"
      f"{statistics.mean(made['scores']):12.2%}{made['seconds'][0]:9.0f}"
    )
  yield f"mean accuracy when trained: {statistics.mean(trained):.2%}"


def _samples(setting: Setting, count: int) -> list[SampleEntry]:
  from nadv2_tf.pipeline.stages import trust
  from nadv2_tf.search import journal
  from nadv2_tf.search.entries import SampleEntry

  entries = journal.read_all(setting.folder.journals())
  found = trust.spread([one for one in entries if isinstance(one, SampleEntry)], count)
  return [SampleEntry(1, one.widths, one.first, one.resource) for one in found]


def _scored(
  setting: Setting, samples: Sequence[SampleEntry], by: str, epochs: float
) -> dict[str, list[float]]:
  """Scores with a super-network ordered by `by` and trained for `epochs` from the full network."""
  from nadv2_tf.benchmarks.studies.super_networks import scores_of, trained_from_full

  model, seconds = trained_from_full(setting, epochs, by)
  specs = [setting.bench.space.decode(one.widths) for one in samples]
  return {"scores": scores_of(setting, model, specs), "seconds": [seconds]}


if __name__ == "__main__":
  define_flags()
  app.run(main)
