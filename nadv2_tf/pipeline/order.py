"""The order of a run, told once: its stages one after the other, and the parts that commands run.

A stage whose files are there is not run again: it reads them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.run_folder.versions import changed, versions
from nadv2_tf.pipeline.stages import full as full_stage
from nadv2_tf.pipeline.stages import halves, references, trust
from nadv2_tf.pipeline.stages import in_turn as in_turn_stage
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.search.forms import fastest_form_of
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.option import OptionGroup
  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.run_folder.records import NetworkMetrics
  from nadv2_tf.pipeline.run_folder.stage_times import StageTimes
  from nadv2_tf.pipeline.stages.search import Landing
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search import Problem, RacingEvaluator
  from nadv2_tf.spec import NetworkSpec


#: begins the line that a run says where it goes on with other versions
OTHER_VERSIONS = "begun with other versions, so that last digits, and what is found, may differ:"


@dataclasses.dataclass
class Work:
  """A run on its way: what it works with, and what its stages have given so far.

  Attributes:
    options: all groups; those that a command does not read are as by default.
    times: notes how long each stage takes; None: nobody asks.
    early: makes the search's evaluator beside the training; None: it is made when it is needed.
    in_turn: how a distribution is trained with the super-network; None: it is trained alone.
    full: the trained full network, None where there is none.
    untrained: a super-network with the weights of `full`, if one was made on the way.
    later: what was found for the later half of the blocks, where halves are trained for.
    networks: (folder, name, spec) of every network that is trained on.
  """

  bench: Workbench
  options: RunOptions
  progress: Progress
  times: StageTimes | None = None
  early: search_stage.EarlyEvaluator | None = None
  problem: Problem = dataclasses.field(init=False)
  in_turn: in_turn_stage.InTurn | None = None
  full: keras.Model | None = None
  untrained: SuperNetwork | None = None
  later: NetworkSpec | None = None
  super_model: SuperNetwork = dataclasses.field(init=False)
  landings: Sequence[Landing] = dataclasses.field(init=False)
  networks: Sequence[tuple[RunFolder, str, NetworkSpec]] = dataclasses.field(init=False)

  @property
  def folder(self) -> RunFolder:
    return self.bench.folder

  @property
  def is_chief(self) -> bool:
    return strategies.is_chief(self.bench.strategy)

  def timed(self, stage: str) -> contextlib.AbstractContextManager[None]:
    return self.times.stage(stage) if self.times else contextlib.nullcontext()

  def beside(self, model: SuperNetwork) -> contextlib.AbstractContextManager[Any]:
    return self.early(model) if self.early else contextlib.nullcontext()


def _make_problem(work: Work) -> None:
  search = work.options.search
  work.problem = search_stage.make_problem(search, work.bench.space, work.folder, work.progress)
  if in_turn_stage.is_asked(search):
    work.in_turn = in_turn_stage.InTurn(work.bench, search, work.problem)
  # Only now: a target out of reach must not stand in the folder that the corrected run takes.
  work.folder.open(search=search)


def _note(work: Work) -> None:
  bench, now = work.bench, versions()
  if others := changed(work.folder.metrics().versions, now):
    work.progress.line(f"{OTHER_VERSIONS} {others}")
  bench.folder.update_metrics(seed=bench.seed, versions=now, quality=bench.task.quality_name)


def _train_full(work: Work) -> None:
  work.full, work.untrained = full_stage.train_full(work.bench, work.progress, work.beside)


def _train(work: Work) -> None:
  work.super_model = super_stage.train_super_network(
    work.bench, work.progress, work.full, work.beside, work.untrained, work.in_turn
  )


def _train_halves(work: Work) -> None:
  options = work.options.search
  if options.half_epochs:
    what = (work.bench, work.super_model, work.problem, options, work.progress, work.full)
    work.later = halves.train_both(*what, _evaluator(work), work.timed)


def _load_last(work: Work) -> None:
  halves.load_last(work.folder, work.super_model)


def _evaluator(work: Work) -> RacingEvaluator | None:
  return work.early.get(work.super_model) if work.early else None


def _search(work: Work) -> None:
  options, problem = work.options.search, work.problem
  half = halves.half_of(options, problem, work.later) if work.later else None
  work.landings = search_stage.search(
    work.bench, work.super_model, problem, options, work.progress, _evaluator(work), half
  )


def _look_for_references(work: Work) -> None:
  """All networks that are trained on; of references a uniformly scaled one for each target."""
  start, folder, with_references = time.monotonic(), work.folder, work.options.references
  networks: list[tuple[RunFolder, str, NetworkSpec]] = []
  for landing in work.landings:
    networks.append((landing.folder, "found", landing.spec))
    if with_references:
      networks.append(
        (
          landing.folder,
          "uniform",
          references.scaled(landing, work.problem, work.options.search, work.progress),
        )
      )
  if with_references:
    networks.append((folder, "full", work.bench.space.largest()))
    if "references" not in folder.metrics().seconds:
      folder.update_metrics(seconds={"references": time.monotonic() - start})
  work.networks = networks


def _finetune_full(work: Work) -> None:
  if work.full is None:
    work.full = training_stages.trained_full(
      work.bench, work.super_model, work.options.finetune, work.progress
    )


def _finetune(
  work: Work, place: RunFolder, name: str, spec: NetworkSpec
) -> tuple[keras.Model, NetworkMetrics]:
  there = dataclasses.replace(work.bench, folder=place)
  with work.timed(f"finetune {name}"):
    return training_stages.finetune(
      there, work.super_model, spec, work.options.finetune, name, work.progress, work.full
    )


def _finetune_found(work: Work) -> None:
  for landing in work.landings:
    _, metrics = _finetune(work, landing.folder, "found", landing.spec)
    quality = f"test {work.bench.task.quality_name} {metrics.test_accuracy:.4f}"
    work.progress.line(f"{quality}; the network is in {landing.folder.keras('found')}")


def _finetune_and_export(work: Work) -> None:
  from nadv2_tf.pipeline.stages import export as export_stage

  given = work.options
  metric, timed = metric_of(given.search), timed_quantization(given)
  fastest = fastest_form_of(work.problem.meter)
  for place, name, spec in work.networks:
    if len(work.landings) > 1:
      work.progress.line(f"{place.path.name}: {name}")
    model, _ = _finetune(work, place, name, spec)
    if work.is_chief:
      there = dataclasses.replace(work.bench, folder=place)
      own = given.export if name == "found" or timed != "none" else None
      with work.timed("export"):
        told = work.progress if own else None
        export_stage.export(there, model, name, own, spec, told, fastest)
    export_stage.record_resource(place, name, spec, work.problem, metric)


def _time(work: Work) -> None:
  from nadv2_tf.pipeline.stages import export as export_stage
  from nadv2_tf.pipeline.stages.device_outputs import check_found

  files = [(place, name) for place, name, _ in work.networks]
  search, timed = work.options.search, timed_quantization(work.options)
  timings = export_stage.time_networks(files, search, work.progress, timed)
  latencies = {name: timing.latency_ms for (_, name), timing in zip(files, timings, strict=False)}
  export_stage.summarise(work.folder, metric_of(search), latencies.get("full"))
  for place in dict.fromkeys(place for place, name in files if name == "found"):
    check_found(work.bench, place, search, work.progress, timed)


def _measure_trust(work: Work) -> None:
  given = work.options
  trust.measure_trust(
    work.bench, work.super_model, given.finetune, given.trust, work.progress, work.full
  )


def _report(work: Work) -> None:
  work.progress.line("")
  work.progress.line(write_report(work.folder))


def timed_quantization(options: RunOptions) -> str:
  """As the stage that exports has it, which needs TensorFlow."""
  from nadv2_tf.pipeline.stages import export as export_stage

  return export_stage.timed_quantization(options.search, options.export)


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage of a run.

  Attributes:
    name: in stages.json, but where `is_timed` is false: then it is none, or times its own parts.
    do: the stage.
    needs, gives: what of `Work` it reads and sets; `full` and `untrained` may be None.
    of_chief: whether other workers leave it out.
  """

  name: str
  do: Callable[[Work], None]
  needs: tuple[str, ...] = ()
  gives: tuple[str, ...] = ()
  is_timed: bool = True
  of_chief: bool = False


#: all stages in their order; a command runs a part of them
STAGES = (
  Stage("table", _make_problem, (), ("problem", "in_turn")),
  Stage("note", _note, is_timed=False),
  Stage("train full", _train_full, (), ("full", "untrained")),
  Stage("train", _train, ("full", "untrained", "in_turn"), ("super_model",)),
  Stage("halves", _train_halves, ("full", "problem", "super_model"), ("later",), is_timed=False),
  Stage("last weights", _load_last, ("super_model",), is_timed=False),
  Stage("search", _search, ("later", "problem", "super_model"), ("landings",)),
  Stage("references", _look_for_references, ("problem", "landings"), ("networks",)),
  Stage("finetune full", _finetune_full, ("full", "super_model"), ("full",)),
  Stage("finetune", _finetune_found, ("full", "super_model", "landings"), is_timed=False),
  Stage(
    "finetune and export",
    _finetune_and_export,
    ("full", "super_model", "landings", "networks", "problem"),
    is_timed=False,
  ),
  Stage("time", _time, ("networks",), of_chief=True),
  Stage("trust", _measure_trust, ("full", "super_model")),
  Stage("report", _report, of_chief=True),
)
TRAIN = ("note", "train full", "train")
SEARCH = ("table", "train", "search")
#: which imitates the full network while it trains
SEARCH_IN_HALVES = ("table", "train full", "train", "halves", "search")
#: the found networks are read from the folder
FINETUNE = ("train full", "train", "last weights", "finetune full", "finetune", "trust")
RUN = tuple(stage.name for stage in STAGES if stage.name not in ("last weights", "finetune"))


def go(part: Sequence[str], work: Work, **groups: OptionGroup) -> None:
  """Runs the stages of one part, in their order.

  Args:
    part: names of `STAGES`.
    work: what they work with.
    **groups: options that the folder keeps from now on, by name; those of the search are kept when
      their target is known to be in reach.
  """
  if groups:
    work.bench.open(**groups)
  for stage in STAGES:
    if stage.name in part and (work.is_chief or not stage.of_chief):
      with work.timed(stage.name) if stage.is_timed else contextlib.nullcontext():
        stage.do(work)
