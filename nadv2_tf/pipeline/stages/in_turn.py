"""Weights and distribution trained in turn: `--search_optimizer=fp_nas --shared_weights=in_turn`.

It takes the place of the super-network's training; the search afterwards only asks for the most
probable networks.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from nadv2_tf.option import options_of
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.stages import optimizers
from nadv2_tf.pipeline.stages.recipes import is_full_first, super_recipe
from nadv2_tf.search.distribution import Distribution
from nadv2_tf.search.fp_nas import FIXED, IN_TURN, FpNas
from nadv2_tf.search.in_turn import MostProbable, Turns, read
from nadv2_tf.training.in_turn import InTurnLoop, halves, images_each

if TYPE_CHECKING:
  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import RunOptions, SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import Optimizer, Problem
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.training.recipe import Recipe
  from nadv2_tf.training.steps.distillation import Teacher

FLAG = f"--shared_weights={IN_TURN}"
#: what a step's forward passes for the distribution take of those of the weights, which go back too
SCORING = 1 / 3
#: a distribution with more than this share of its first entropy has not found a network
UNDECIDED = 0.5
#: settings of the other form
OF_FIXED_WEIGHTS = ("search_steps", "likelihood_scale")


def is_asked(options: SearchOptions) -> bool:
  """Whether `SearchOptions` are for it."""
  settings = options.optimizer_settings
  return options.search_optimizer == "fp_nas" and settings.get("shared_weights") == IN_TURN


def check(bench: Workbench, options: SearchOptions) -> None:
  """Raises ValueError, before anything is trained, for what it cannot do; else does nothing."""
  if not is_asked(options):
    return
  for name in OF_FIXED_WEIGHTS:
    value = options.optimizer_settings[name]
    if value != options_of(FpNas)[name].default:
      raise ValueError(
        f"--{name}={value} is for --shared_weights={FIXED}; in turn the steps are those of "
        "--epochs, and likelihoods those of the labels. Leave it out."
      )
  train, folder = bench.train_options, bench.folder
  if folder.super_weights.exists():
    if not folder.distributions.exists():
      raise ValueError(
        f"{folder.super_weights} was trained without a distribution; nadv2-run with {FLAG} and "
        "another --output trains both."
      )
    return  # nothing is trained
  if not train.epochs:
    raise ValueError(f"{FLAG} trains the super-network; give it --epochs above 0.")
  if not is_full_first(train) or train.execution != "sliced" or train.distillation:
    raise ValueError(
      f"{FLAG} begins with the full network and runs networks of different kernel sizes on the "
      "same images: it needs --order=full_first and --execution=sliced, and has no --distillation."
    )
  if bench.strategy.num_replicas_in_sync > 1:
    raise ValueError(
      f"{FLAG} trains on one device, and --strategy={train.strategy} has "
      f"{bench.strategy.num_replicas_in_sync}. Give --strategy=one."
    )
  images = len(bench.datasets.train) // 2
  if images < train.batch_size:
    raise ValueError(
      f"{FLAG} trains the distribution on half of the training images: {images}, which fill no "
      f"--batch_size={train.batch_size}."
    )


@dataclasses.dataclass(frozen=True)
class Aim:
  """What a training is for, in the words of its checkpoints."""

  targets: tuple[float, ...]
  limits: tuple[tuple[str, float], ...]


class InTurn:
  """How a distribution is trained with the super-network of a run.

  Raises ValueError for a training with fewer steps than there are targets.
  """

  def __init__(self, bench: Workbench, options: SearchOptions, problem: Problem) -> None:
    steps = super_recipe(bench.train_options).steps(len(bench.datasets.train) // 2)
    if steps < len(problem.targets):
      raise ValueError(
        f"{FLAG} has a step for one target after the other, and --epochs="
        f"{bench.train_options.epochs:g} are {steps} steps for {len(problem.targets)} targets."
      )
    self._bench = bench
    self._problem = problem
    settings = optimizers.optimizer_of(options, problem)
    assert isinstance(settings, FpNas)
    self._settings = settings
    self._turns: Any = None

  @functools.cached_property
  def _halves(self) -> tuple[Any, Any]:
    return halves(self._bench.datasets.train, self._bench.seed)

  @property
  def examples(self) -> Any:
    """The training images of the weights."""
    return self._halves[0]

  @property
  def what(self) -> dict[str, Any]:
    """{name: dataclass} that says what is trained, beside the recipe."""
    limits = tuple((meter.unit, limit) for meter, limit in self._problem.limits)
    return {"fp_nas": self._settings, "aim": Aim(self._problem.targets, limits)}

  def loop(self, model: SuperNetwork, recipe: Recipe, teacher: Teacher | None) -> InTurnLoop:
    """The loop, to be run on `examples`."""
    mine, other = self._halves
    seed, options = self._bench.seed, self._bench.train_options
    self._turns = Turns(self._problem, self._settings, recipe.steps(len(mine)), seed)
    return InTurnLoop(
      model,
      self._bench.task,
      recipe,
      self._turns,
      other,
      options.subnetworks_per_batch,
      seed,
      teacher,
    )

  def keep(self, model: SuperNetwork, progress: Progress) -> None:
    """Writes the distributions that go with the weights of `model`, when the loop has run."""
    folder, trained = self._bench.folder, self._turns.record()
    for one in trained.distributions:
      notes = [note for note in trained.notes if note.target == one.target]
      left = one.distribution(self._problem.space).entropy()
      progress.line(
        f"  target {one.target:.4g} {self._problem.meter.unit}: {notes[0].networks_drawn} "
        f"networks a step at first, {notes[-1].networks_drawn} at last; entropy "
        f"{notes[0].entropy_nats:.1f} to {left:.1f} nats"
      )
      if left > UNDECIDED * notes[0].entropy_nats:
        progress.line(
          "  it is still undecided, and its most probable network says little: more --epochs, or a "
          f"larger --step_size than {self._settings.step_size:g}, would tell more"
        )
    lineage.note(folder, folder.distributions, **_made_with(model))
    folder.write_json(folder.distributions, trained)


def _made_with(model: SuperNetwork) -> dict[str, Any]:
  return {"the super-network's weights": lineage.of_weights(model)}


def optimizer_of(
  options: SearchOptions, problem: Problem, folder: RunFolder, model: SuperNetwork
) -> Optimizer:
  """The `Optimizer` of a run whose super-network is trained.

  Raises:
    ValueError: if the distributions are damaged, or were trained with other weights.
  """
  settings = optimizers.optimizer_of(options, problem)
  if not is_asked(options):
    return settings
  lineage.check(folder, folder.distributions, **_made_with(model))
  return MostProbable(read(folder.distributions, problem.space))


def ordinary_steps(given: RunOptions, space: SearchSpace, images: int) -> int:
  """How many steps of an ordinary training take about as long, as if the entropy fell evenly.

  Args:
    given: `RunOptions`.
    space: the `SearchSpace`.
    images: of the whole training set.
  """
  train, settings = given.train, given.search.optimizer_settings
  drawn = settings["samples_per_nat"] * Distribution.factorised(space).entropy() / 2
  networks = max(round(drawn), 1)
  each = images_each(train.batch_size, train.subnetworks_per_batch, networks)
  steps = super_recipe(train).steps(images // 2)
  return round(steps * (1 + SCORING) * networks * each / train.batch_size)
