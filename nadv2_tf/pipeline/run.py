"""Runs and the parts of them that commands are for: what each checks, runs and tells at its end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf import stopwatch
from nadv2_tf.options import RunOptions
from nadv2_tf.options.settled import settled, settled_finetune
from nadv2_tf.pipeline.order import (
  FINETUNE,
  RUN,
  SEARCH,
  SEARCH_IN_HALVES,
  TRAIN,
  Work,
  go,
  timed_quantization,
)
from nadv2_tf.pipeline.report import overview, tables
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.run_folder.stage_times import StageTimes
from nadv2_tf.pipeline.stages import (
  halves,
  in_turn,
  mixed_tables,
  recipes,
  transfer,
  trust,
  workbench,
  workers,
)
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.training import strategies

if TYPE_CHECKING:
  from nadv2_tf.option import OptionGroup
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.types import AnyPath

#: the stage before the others: libraries, data, checks
START = "start"


def train(output: AnyPath, options: RunOptions, progress: Progress) -> None:
  """Trains the full network and the super-network; of `options` network, train and checkpoint."""
  bench = workbench.make_workbench(
    RunFolder(output), options.network, options.train, options.checkpoint
  )
  progress = workers.own_progress(bench.strategy, progress)
  bench.tell(progress)
  recipes.check_recipes(bench)
  bench.look(progress)
  bench.check_figures()
  groups: dict[str, OptionGroup] = {"network": options.network, "train": bench.train_options}
  bench.folder.check(**groups)
  with bench.folder.locked():
    go(TRAIN, Work(bench, options, progress), **groups)
  progress.line(f"the super-network's weights are in {bench.folder.super_weights}")
  strategies.wait_for_all(bench.strategy)


def search(output: AnyPath, options: SearchOptions, strategy: str, progress: Progress) -> None:
  """Searches with the super-network of an earlier command."""
  bench = workbench.reopen_workbench(output, strategy=strategy)
  progress = workers.own_progress(bench.strategy, progress)
  search_stage.check_workers(bench.strategy, options)
  halves.check_steps(bench, options)
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  in_turn.check(bench, options)
  bench.folder.check(search=options)
  early = search_stage.EarlyEvaluator(bench, options)
  work = Work(bench, RunOptions(search=options), progress, early=early)
  with bench.folder.locked():
    go(SEARCH_IN_HALVES if options.half_epochs else SEARCH, work)
  found = overview(bench.folder)
  for line in (*tables.metric_lines(found), *tables.doubt_lines(found)):
    progress.line(line)
  for landing in work.landings:
    progress.line(f"the found network is in {landing.folder.spec('found')}")
  strategies.wait_for_all(bench.strategy)


def finetune(output: AnyPath, options: RunOptions, strategy: str, progress: Progress) -> None:
  """Trains the found networks on; of `options` finetune, trust and checkpoint."""
  trust.check_trust(options.trust)
  bench = workbench.reopen_workbench(output, options.checkpoint, strategy)
  progress = workers.own_progress(bench.strategy, progress)
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  finetune_options = settled_finetune(bench.network_options, options.finetune)
  options = dataclasses.replace(options, finetune=finetune_options)
  work = Work(bench, options, progress)
  work.landings = [
    search_stage.Landing(place, place.read_spec("found")) for place in bench.folder.found_folders()
  ]
  recipes.check_recipes(bench, options.finetune)
  bench.look(progress)
  bench.check_figures()
  with bench.folder.locked():
    go(FINETUNE, work, finetune=options.finetune)
    progress.line(tables.trust_line(bench.folder.metrics()))
  strategies.wait_for_all(bench.strategy)


def run(output: AnyPath, options: RunOptions, progress: Progress) -> None:
  """Runs everything and prints the closing table.

  Args:
    output: the run's folder.
    options: all option groups.
    progress: a `Progress`.

  Raises:
    ValueError: before any training, if an option, the data or the target cannot be used, or if
      another command works in the folder.
  """
  options = settled(options)
  trust.check_trust(options.trust)
  search_stage.check(options.search)
  with stopwatch.running() as watch:
    with stopwatch.stage(START):
      from nadv2_tf.pipeline.plan import first_lines  # as large as exporting, and only for this

      timed_quantization(options)
      bench = workbench.make_workbench(
        RunFolder(output), options.network, options.train, options.checkpoint
      )
      progress = workers.own_progress(bench.strategy, progress)
      bench.tell(progress)
      recipes.check_recipes(bench, options.finetune)
      transfer.check(options.finetune, options.search)
      search_stage.check_workers(bench.strategy, options.search)
      in_turn.check(bench, options.search)
      halves.check_steps(bench, options.search)
      mixed_tables.check(options.export, bench.space, bench.folder, options.search.on_unsteady)
      groups: dict[str, OptionGroup]
      groups = {name: getattr(options, name) for name in ("network", "train", "finetune")}
      bench.folder.check(search=options.search, **groups)
      bench.look(progress)
      bench.check_figures()
    with bench.folder.locked():
      with stopwatch.stage(START):
        countdown = first_lines.tell(options, bench, progress)
      times = StageTimes(bench.folder, watch, countdown)
      early = search_stage.EarlyEvaluator(bench, options.search)
      go(RUN, Work(bench, options, progress, times, early), **groups)
      if strategies.is_chief(bench.strategy):
        folder = bench.folder
        progress.line(f"everything is in {folder.path}; the report is {folder.report}")
      strategies.wait_for_all(bench.strategy)
