"""How a race chooses among the samples of an iteration, against scoring all of them on all images.

  nadv2-run --preset=demo --holdout=4000 --norace --output=RUN
  python -m nadv2_tf.benchmarks.studies.race --run=RUN

Samples are proposed from the best networks of a run's search, as its MCD proposes them, and scored
on each eighth of its hold-out by itself. Then rules are replayed on these scores, many times with
the eighths in random order. What a rule chose is worth its score on the eighths that the rule did
not see; what it cost is counted in images.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

from nadv2_tf.search import Race

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  from nadv2_tf.types import AnyPath

FLAGS = flags.FLAGS
PARTS = 8


@dataclasses.dataclass(frozen=True)
class Rule:
  """`parts`: eighths of the hold-out; a single one: all samples are scored on so many."""

  parts: tuple[int, ...]
  kept: float = 0.25
  finalists: int = 3

  def choose(self, scores: np.ndarray) -> tuple[int, tuple[int, ...], int]:
    """(the chosen sample, samples scored on each part, eighths seen) of scores [samples, 8]."""
    seen = sum(self.parts)
    if len(self.parts) == 1:
      return int(np.argmax(scores[:, :seen].mean(axis=1))), (len(scores),), seen
    first, second, third = (part / seen for part in self.parts)
    race = Race((first, second, third), self.kept, self.finalists)
    ends = np.cumsum(self.parts)

    def scores_of(left, part):
      return scores[left, : ends[part]].mean(axis=1).tolist()

    arrived = race.run(range(len(scores)), scores_of)
    best = max(arrived, key=lambda sample: scores[sample, :seen].mean())
    return best, race.entrants(len(scores)), seen

  def images(self, entrants: Sequence[int], images: int, calibration: int) -> float:
    """Images that a sample costs on average."""
    parts = zip(self.parts, entrants, strict=True)
    return sum(count * (part * images + calibration) for part, count in parts) / entrants[0]


RULES = (
  Rule((1,)), Rule((2,)), Rule((3,)), Rule((4,)),
  Rule((1, 1, 1)), Rule((1, 2, 1)), Rule((1, 2, 1), kept=0.15), Rule((1, 3, 1)),
  Rule((1, 2, 1), kept=0.4, finalists=4),
)  # fmt: skip


def worth(
  rule: Rule, iterations: Iterable[np.ndarray], rng: np.random.Generator, replays: int
) -> tuple[float, tuple[int, ...]]:
  """(mean score on unseen eighths, samples on each part) of what `rule` chooses."""
  values = []
  for scores in iterations:
    for _ in range(replays):
      shuffled = scores[:, rng.permutation(PARTS)]
      best, entrants, seen = rule.choose(shuffled)
      values.append(shuffled[best, seen:].mean())
  return statistics.mean(values), entrants


def scored(run: AnyPath, every: int) -> tuple[list[np.ndarray], int]:
  """([scores [samples, 8] of an iteration], images of an eighth) of a run."""
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.metric import metric_of
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import optimizers, workbench
  from nadv2_tf.pipeline.stages import search as search_stage
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.search import Problem, journal
  from nadv2_tf.search.entries import IterationEntry
  from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

  bench = workbench.reopen_workbench(run)
  options = bench.folder.options("search", SearchOptions)
  model, space = super_stage.train_super_network(bench, Progress()), bench.space
  calibration = bench.datasets.train.take(slice(search_stage.CALIBRATION_IMAGES))
  evaluator = SharedWeightsEvaluator(
    model, bench.task, bench.datasets.holdout, calibration, shares=(1 / PARTS,) * PARTS
  )
  meter = metric_of(options).meter(space, bench.folder)
  entries = journal.read(bench.folder.journal_of(1))
  path = [entry.widths for entry in entries if isinstance(entry, IterationEntry)]
  bases = [space.largest(), *map(space.decode, path)]
  found, rng = [], random.Random(bench.seed)
  for base in bases[:-1:every]:
    problem = Problem(space, base, meter, 0.95 * meter.measure(base))
    samples = next(optimizers.optimizer_of(options, problem).search(problem, rng))
    scores = [[evaluator.accuracy([spec], part)[0] for part in range(PARTS)] for spec in samples]
    found.append(np.array(scores))
    print(f"{meter.measure(base):.4g} {meter.unit}: {len(samples)} samples", flush=True)
  return found, evaluator.part_sizes[0]


def main(_: list[str]) -> None:
  from nadv2_tf.pipeline.stages.search import CALIBRATION_IMAGES
  from nadv2_tf.programs.start import start_tensorflow

  start_tensorflow()
  iterations, images = scored(FLAGS.run, FLAGS.every)
  rng = np.random.default_rng(0)
  print(f"{len(iterations)} iterations, {images} hold-out images in an eighth")
  print(f"{'images':22s}{'kept':>6s}{'finalists':>11s}{'chosen':>10s}{'images a sample':>17s}")
  for rule in RULES:
    value, entrants = worth(rule, iterations, rng, FLAGS.replays)
    cost = rule.images(entrants, images, CALIBRATION_IMAGES)
    is_race = len(rule.parts) > 1
    parts = " + ".join(str(part * images) for part in rule.parts)
    kept, last = (f"{rule.kept:.0%}", rule.finalists) if is_race else ("all", "")
    print(f"{parts:22s}{kept:>6s}{last!s:>11s}{value:10.2%}{cost:17.0f}")


def define_flags() -> None:
  flags.DEFINE_string("run", None, "Folder of a finished run.", required=True)
  flags.DEFINE_integer("every", 2, "Samples of every n-th iteration.", lower_bound=1)
  flags.DEFINE_integer("replays", 300, "Of each rule on each iteration.", lower_bound=1)


if __name__ == "__main__":
  define_flags()
  app.run(main)
