"""How well scores rank networks among which a search has to choose: all of nearly one latency.

  python -m nadv2_tf.benchmarks.studies.near --run=RUN --output=FOLDER --networks=30 --seeds=0,1,2

RUN is a finished run whose full network was trained first. The networks are drawn from those that
its search scored within 5 % of what it found. Each is cut out of the full network and trained with
every seed as the run trains what it found, without the hold-out's images; its quality is its mean
accuracy on the test images. Against that stand the score of the search (shared weights, all
images of the hold-out), what a race's first round gave it, the MACs and the latency.

What stands in --output is not trained again; processes with other --seeds may fill it together.
"""

from __future__ import annotations

import datetime
import math
import pathlib
import random
import statistics
from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import check_same, in_file
from nadv2_tf.benchmarks.timing.devices.host import processor_name

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence

  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.search.journal import Sample

FLAGS = flags.FLAGS
#: as a share, to both sides together
RANGE = 0.05
#: drawn with replacement for an interval
RESAMPLES = 2000
SCORE, MACS = "score of the search", "MACs"


def define_flags() -> None:
  flags.DEFINE_string("run", None, "Folder of a finished run.", required=True)
  flags.DEFINE_string("output", None, "Folder of what was measured.", required=True)
  flags.DEFINE_integer("networks", 30, "How many.", lower_bound=3)
  flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of the trainings, two at least.")
  flags.DEFINE_float("epochs", 3.0, "Epochs of each training.", lower_bound=0)


def main(arguments: list[str]) -> None:
  del arguments
  from nadv2_tf.benchmarks.studies import peers
  from nadv2_tf.benchmarks.studies.cut_networks import trained_accuracy

  folder = pathlib.Path(FLAGS.output)
  asked = {"networks": FLAGS.networks, "epochs": FLAGS.epochs}
  check_same(folder, asked | {"run": str(pathlib.Path(FLAGS.run).resolve())})
  setting = peers.opened(FLAGS.run)
  chosen = drawn(_samples(setting), _end(setting), FLAGS.networks)

  def trained(number: int, one: Sample, seed: str) -> float:
    path, spec = folder / f"trained_{number}_{seed}.json", setting.bench.space.decode(one.widths)
    images = setting.bench.datasets.test

    def make() -> dict[str, float]:
      return {"accuracy": trained_accuracy(setting, spec, FLAGS.epochs, images, int(seed))}

    return in_file(path, make)["accuracy"]

  accuracies = [
    [trained(number, one, seed) for seed in FLAGS.seeds] for number, one in enumerate(chosen)
  ]
  scores = in_file(folder / "scores.json", lambda: {"scores": _scored(setting, chosen)})["scores"]
  specs = [setting.bench.space.decode(one.widths) for one in chosen]
  rankings = {
    SCORE: scores,
    "first round of the race": [one.first for one in chosen],
    MACS: [spec.macs() for spec in specs],
    "latency, as predicted": [one.resource for one in chosen],
  }
  print(
    f"$ python -m nadv2_tf.benchmarks.studies.near --networks={FLAGS.networks} "
    f"--seeds={','.join(FLAGS.seeds)} --epochs={FLAGS.epochs:g}"
  )
  print(f"{datetime.date.today()}, {processor_name()}")
  for line in lines(rankings, accuracies):
    print(line)


def drawn(samples: Sequence[Sample], resource: float, count: int, seed: int = 0) -> list[Sample]:
  """`count` samples within `RANGE` of a resource, drawn at random.

  Args:
    samples: different networks.
    resource: in the unit of theirs.
    count: how many.
    seed: of the draw.

  Raises:
    ValueError: if there are not so many.
  """
  near = [one for one in samples if abs(one.resource / resource - 1) <= RANGE / 2]
  if len(near) < count:
    raise ValueError(
      f"The search scored {len(near)} networks within {RANGE:.0%} of {resource:g}, and --networks "
      f"is {count}: ask for fewer, or take a run with more --samples_per_iteration."
    )
  chosen = random.Random(seed).sample(sorted(near, key=lambda one: one.widths), count)
  return sorted(chosen, key=lambda one: (one.resource, one.widths))


def lines(
  rankings: Mapping[str, Sequence[float]], accuracies: Sequence[Sequence[float]]
) -> Iterator[str]:
  """The study's table.

  Args:
    rankings: {what ranks: a number for each network}.
    accuracies: of each network, of each seed.
  """
  from nadv2_tf.training.scoring.rank_correlation import kendall_tau, tau_interval

  means = [statistics.mean(of_seeds) for of_seeds in accuracies]
  between, within = spreads(accuracies)
  yield (
    f"{len(means)} networks, {len(accuracies[0])} seeds each: test accuracy {min(means):.2%} to "
    f"{max(means):.2%}"
  )
  yield (
    f"standard deviation between networks {100 * between:.2f} points, between seeds of one network "
    f"{100 * within:.2f}"
  )
  most = ceiling(between, within, len(accuracies[0]))
  yield f"what knew the networks' true order would have a tau of {most:.2f} with these means"
  yield f"{'ranked by':26s}{'tau':>6s}  95 % interval"
  for name, values in rankings.items():
    low, high = tau_interval(values, means)
    yield f"{name:26s}{kendall_tau(values, means):6.2f}  {low:.2f} to {high:.2f}"
  low, high = difference(rankings[SCORE], rankings[MACS], means)
  ahead = kendall_tau(rankings[SCORE], means) - kendall_tau(rankings[MACS], means)
  yield f"the score's tau above that of the MACs: {ahead:+.2f}, {low:+.2f} to {high:+.2f} (paired)"


def spreads(accuracies: Sequence[Sequence[float]]) -> tuple[float, float]:
  """Standard deviations (between networks, between seeds of one network), seeds' noise taken out.

  Args:
    accuracies: of each network, of each seed; two seeds at least.
  """
  within = statistics.mean(statistics.variance(of_seeds) for of_seeds in accuracies)
  of_means = statistics.variance(statistics.mean(of_seeds) for of_seeds in accuracies)
  between = max(of_means - within / len(accuracies[0]), 0.0)
  return math.sqrt(between), math.sqrt(within)


def ceiling(between: float, within: float, seeds: int) -> float:
  """Kendall's tau between true qualities and means over seeds, both taken as normal.

  Source: Greiner's relation, tau = 2 / pi * arcsin(rho), in Kendall 1949, "Rank and product-moment
  correlation".

  Args:
    between, within: of `spreads`.
    seeds: of each mean.
  """
  noise = within**2 / seeds
  if not between:
    return 0.0
  return 2 / math.pi * math.asin(math.sqrt(between**2 / (between**2 + noise)))


def difference(
  one: Sequence[float], other: Sequence[float], truths: Sequence[float], seed: int = 0
) -> tuple[float, float]:
  """95 % interval of tau(one) - tau(other), the same networks drawn for both."""
  from nadv2_tf.training.scoring.rank_correlation import kendall_tau

  first, second, known = (np.asarray(values, float) for values in (one, other, truths))
  draws = np.random.default_rng(seed).integers(0, len(known), (RESAMPLES, len(known)))
  gaps = [
    kendall_tau(first[rows], known[rows]) - kendall_tau(second[rows], known[rows]) for rows in draws
  ]
  low, high = np.quantile(gaps, (0.025, 0.975))
  return float(low), float(high)


def _samples(setting: Setting) -> list[Sample]:
  from nadv2_tf.search import journal

  return journal.samples(journal.read_all(setting.folder.journals()))


def _end(setting: Setting) -> float:
  """The found network's resource, as predicted: where the search ended."""
  searched = setting.folder.metrics().metric
  if searched is None:
    raise ValueError(f"{setting.folder.path} is of no finished run with one target.")
  return searched.predicted


def _scored(setting: Setting, samples: Sequence[Sample]) -> list[float]:
  """Scores as the search gives them with the full network's weights."""
  from nadv2_tf.benchmarks.studies.super_networks import scores_of, trained_from_full

  model, _ = trained_from_full(setting, 0)
  return scores_of(setting, model, [setting.bench.space.decode(one.widths) for one in samples])


if __name__ == "__main__":
  define_flags()
  app.run(main)
