"""The stages of a search in two halves, for each of which the super-network is trained anew.

Later half: trained on its options, the earlier one at its base, and searched. Earlier half: trained
from there on its own options, the later one as found. The search of that is the run's search.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import zlib
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.stages import optimizers, plain_training
from nadv2_tf.pipeline.stages.racing import race_of
from nadv2_tf.pipeline.stages.recipes import check_sampled, half_recipe, soft_targets, width_sampler
from nadv2_tf.pipeline.stages.search import make_evaluator, teller
from nadv2_tf.pipeline.stages.super_network import TITLE, super_loop, train_with
from nadv2_tf.pipeline.stages.training_checkpoints import training_checkpoints
from nadv2_tf.search import Hurricane, minimize
from nadv2_tf.search.halves import EARLIER, LATER, HalfSearch
from nadv2_tf.training.dropout_seeds import seed_dropout
from nadv2_tf.training.network_files import load_weights, save_atomically

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import Problem, RacingEvaluator
  from nadv2_tf.spec import NetworkSpec

#: {half: what is added to the run's seed}: no two trainings see the images in the same order
SEEDS = {LATER: 2, EARLIER: 3}


@dataclasses.dataclass(frozen=True)
class Narrowed:
  """What a half's training is of: what its sampler draws, and a number of the weights before."""

  values: tuple[tuple[int, ...], ...]
  begins_with: int | None


def half_of(
  options: SearchOptions, problem: Problem, found: NetworkSpec | None = None
) -> HalfSearch:
  """The search of the earlier half, or without what was `found` for the later one, of that."""
  method = optimizers.optimizer_of(options, problem)
  assert isinstance(method, Hurricane)  # checked before, see `optimizers.check`
  if found is None:
    return HalfSearch.later(method, problem)
  return HalfSearch.earlier(method, problem, found)


def is_searched(problem: Problem) -> bool:
  """Whether there is anything to search: the largest network may be within the target."""
  return not problem.is_met_by(problem.start, problem.target)


def train_both(
  bench: Workbench,
  model: SuperNetwork,
  problem: Problem,
  options: SearchOptions,
  progress: Progress,
  full: keras.Model | None = None,
  evaluator: RacingEvaluator | None = None,
  timed: Callable[[str], contextlib.AbstractContextManager[Any]] = lambda _: (
    contextlib.nullcontext()
  ),
) -> NetworkSpec:
  """Trains for the later half, searches it, and trains for the earlier half; what was found.

  Each of the three is over when its file is there: a later command reads it.

  Args:
    model: the super-network before any half; it ends with the weights for the earlier half.
    evaluator: if it was made already; see `EarlyEvaluator`.
    timed: the context manager `timed(stage)` is entered for each of the three.
  """
  later, epochs = half_of(options, problem), options.half_epochs
  with timed(f"train {LATER}"):
    train(bench, model, later, problem, epochs, progress, full)
  with timed(f"search {LATER}"):
    found = search_later(bench, model, problem, options, progress, evaluator)
  with timed(f"train {EARLIER}"):
    train(bench, model, half_of(options, problem, found), problem, epochs, progress, full)
  return found


def train(
  bench: Workbench,
  model: SuperNetwork,
  search: HalfSearch,
  problem: Problem,
  epochs: float,
  progress: Progress,
  full: keras.Model | None = None,
) -> None:
  """Trains the super-network on what a half's search may find, or reads what an earlier run saved.

  Args:
    model: with the weights that the training begins with: of the super-network before any half,
      then those of the later half.
    full: the trained full network that it imitates, None without one.

  Raises:
    TrainingDiverged, CheckpointError, Stopped: see `train_super_network`.
    ValueError: if the weights that are there are of another training.
  """
  if not is_searched(problem):
    return
  title, weights = f"{TITLE}, {search.half}", bench.folder.half_weights(search.half)
  recipe = half_recipe(bench.train_options, epochs)
  narrowed = Narrowed(search.values(problem), lineage.of_weights(model))
  made_from = {
    "training images": bench.datasets.train.digest(),
    "a super-network": narrowed.begins_with,
    "options of blocks": zlib.crc32(repr(narrowed.values).encode()),
  }
  checkpoints = training_checkpoints(
    bench, title, {"recipe": recipe, "narrowed": narrowed}, progress
  )
  if weights.exists():
    lineage.check(bench.folder, weights, **made_from)
    progress.line(f"{title}: weights in {weights} are used")
    load_weights(model, weights)
    checkpoints.clear()
    return
  seed = bench.seed + SEEDS[search.half]
  sampler = dataclasses.replace(
    width_sampler(bench), full_steps=0, values=narrowed.values, seed=seed
  )
  seed_dropout(model, seed)
  there = dataclasses.replace(
    bench, network_options=dataclasses.replace(bench.network_options, seed=seed)
  )
  teacher = plain_training.teacher_of(bench, full, soft_targets(bench.train_options))
  loop = super_loop(there, model, recipe, sampler, teacher)
  seconds = train_with(bench, model, loop, recipe, title, progress, checkpoints)
  bench.folder.update_metrics(seconds={f"train {search.half}": seconds})
  lineage.note(bench.folder, weights, **made_from)
  # The weights come last: they are what says that this stage is over.
  save_atomically(model.save_weights, weights)
  checkpoints.clear()


def check_steps(bench: Workbench, options: SearchOptions) -> None:
  """Raises ValueError if --half_epochs is something, and still no training of sub-networks."""
  recipe, images = half_recipe(bench.train_options, options.half_epochs), len(bench.datasets.train)
  if options.half_epochs and not recipe.steps(images):
    raise ValueError(
      f"--half_epochs={options.half_epochs:g} is no step with {images} training images and "
      f"--batch_size={recipe.batch_size}; give more, or 0 for no training of halves."
    )
  if options.half_epochs:
    check_sampled(bench.train_options)


def search_later(
  bench: Workbench,
  model: SuperNetwork,
  problem: Problem,
  options: SearchOptions,
  progress: Progress,
  evaluator: RacingEvaluator | None = None,
) -> NetworkSpec:
  """Searches the later half with the weights that were trained for it; the network that it found.

  Args:
    evaluator: if it was made already; see `EarlyEvaluator`.
  """
  folder, start, search = bench.folder, time.monotonic(), half_of(options, problem)
  evaluator = evaluator or make_evaluator(bench, model, options)
  result = minimize(
    problem,
    search,
    evaluator,
    folder.later_journal,
    bench.seed,
    teller(f"{search.half}, search", problem, bench.task.quality_name, progress),
    race=race_of(options, len(bench.datasets.holdout)),
  )
  stage = f"search {search.half}"
  if stage not in folder.metrics().seconds:
    folder.update_metrics(seconds={stage: time.monotonic() - start})
  return result.spec


def load_last(folder: RunFolder, model: SuperNetwork) -> None:
  """Gives a super-network the weights that a search in two halves ended with, if there was one."""
  weights = folder.half_weights(EARLIER)
  if weights.exists():
    load_weights(model, weights)
