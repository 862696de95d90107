"""How much work a run is: steps, images, networks, and what of it is done."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.tables.measurement import CALIBRATION_NETWORKS
from nadv2_tf.benchmarks.tables.plan import planned_pieces
from nadv2_tf.options.export import MIXED
from nadv2_tf.options.finetune import FROM_FULL
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.aim.on_device import CHECK_NETWORKS
from nadv2_tf.pipeline.plan.estimate import MATCHES, Counts
from nadv2_tf.pipeline.stages import export as export_stage
from nadv2_tf.pipeline.stages import in_turn
from nadv2_tf.pipeline.stages.recipes import (
  finetune_recipe,
  full_recipe,
  half_recipe,
  head_recipe,
  is_full_first,
  super_recipe,
)
from nadv2_tf.pipeline.stages.trust import trust_recipe
from nadv2_tf.search.halves import EARLIER, LATER

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.options import RunOptions, SearchOptions
  from nadv2_tf.pipeline.plan.simulation import Simulation
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.spec import SearchSpace


def counts_of(
  given: RunOptions,
  space: SearchSpace,
  images: Mapping[str, int],
  simulation: Simulation,
  folder: RunFolder | None = None,
  new_classifier: bool = False,
) -> Counts:
  """The `Counts` of a run.

  Args:
    given: `RunOptions`.
    space: the `SearchSpace`.
    images: {"train", "holdout", "test": how many}.
    simulation: a `Simulation` of the search.
    folder: the `RunFolder` with what is done already; None: nothing.
    new_classifier: whether that of a given network is replaced.
  """
  train, search, finetune = given.train, given.search, given.finetune
  steps, is_first = super_recipe(train).steps(images["train"]), is_full_first(train)
  if in_turn.is_asked(search):
    steps = in_turn.ordinary_steps(given, space, images["train"])
  full_steps = min(round(train.full_epochs * (images["train"] // train.batch_size)), steps)
  full_steps = 0 if is_first else full_steps
  own = finetune_recipe(train, finetune)
  trained_on = images["train"] + (images["holdout"] if finetune.finetune_holdout else 0)
  targets = len(simulation.found)
  networks = ["found"] * targets
  if given.references:
    networks += ["uniform"] * targets + ["full"]
  metric = metric_of(search)
  quantization = given.export.quantization
  quantized: tuple[str, ...] = ()
  if quantization != "none":
    is_of_all = export_stage.timed_quantization(search, given.export) != "none"
    quantized = tuple(dict.fromkeys(networks)) if is_of_all else ("found",)
  work = Counts(
    full_steps=full_steps,
    steps=steps - full_steps,
    half_steps=half_recipe(train, search.half_epochs).steps(images["train"]),
    plain_full_steps=full_recipe(train).steps(images["train"]) if is_first else 0,
    head_steps=head_recipe(train).steps(images["train"]) if new_classifier else 0,
    finetune_steps=own.steps(trained_on),
    networks=tuple(networks),
    full_is_first=is_first,
    full_batch_share=train.batch_size / own.batch_size,
    full_first=bool(finetune.finetune_distillation) or finetune.transfer in FROM_FULL,
    holdout=images["holdout"],
    test=images["test"],
    is_timed=metric.is_timed,
    times_at_end=metric.has_device,
    iterations=simulation.iterations,
    samples=simulation.samples,
    descent_steps=simulation.descent_steps,
    quantized=quantized,
    **(_timed(search, space, simulation, targets, given.references) if metric.is_timed else {}),
    **_more(given, images, simulation),
  )
  return _without_done(work, folder) if folder else work


def _timed(
  search: SearchOptions, space: SearchSpace, simulation: Simulation, targets: int, references: bool
) -> dict[str, Any]:
  """What is timed before and while a search is for latency on a device."""
  return {
    "pieces": len(planned_pieces(space)),
    "table_networks": CALIBRATION_NETWORKS + CHECK_NETWORKS,
    "confirmed": simulation.iterations // search.confirm_every + targets,
    "matches": MATCHES * targets if references else 0,
  }


def _more(given: RunOptions, images: Mapping[str, int], simulation: Simulation) -> dict[str, Any]:
  more, finetune = {}, given.finetune
  if finetune.transfer == "trajectory":
    batch = finetune.finetune_batch_size or given.train.batch_size
    epoch = images["train"] // batch
    more["transfer_networks"] = simulation.iterations + 1
    more["transfer_steps"] = round(finetune.transfer_epochs * epoch)
  if given.export.quantization == "int8_qat":
    more["qat_steps"] = math.ceil(
      given.export.qat_epochs * images["train"] / given.train.batch_size
    )
  if given.export.quantization == MIXED:
    blocks = len(simulation.found[-1].blocks)
    more["mixed_images"] = blocks * min(images["holdout"], export_stage.GATE_IMAGES)
  if given.trust.trust_samples:
    recipe = trust_recipe(given.train, finetune, given.trust)
    more["trust_networks"] = min(given.trust.trust_samples, simulation.samples)
    more["trust_steps"] = recipe.steps(images["train"])
  return more


def _without_done(counts: Counts, folder: RunFolder) -> Counts:
  """`counts` without what the folder has; of several targets a stage is done when all are."""
  done, places = set(), folder.found_folders()
  if folder.latency_table.exists():
    done.add("table")
  if folder.super_weights.exists():
    done.add("train")
  done |= {f"train {half}" for half in (LATER, EARLIER) if folder.half_weights(half).exists()}
  if folder.half_weights(EARLIER).exists():
    done.add(f"search {LATER}")
  if counts.full_is_first and folder.keras("full").exists():
    done |= {"train full", "finetune full"}
  if all(place.metrics().metric and place.spec("found").exists() for place in places):
    done |= {"search", "confirm"}
  for name in ("found", "uniform", "full"):
    wanted = [folder] if name == "full" else places
    if all(place.keras(name).exists() for place in wanted):
      done.add(f"finetune {name}")
  if done >= {f"finetune {name}" for name in counts.networks}:
    done.add("references")
  timed = [
    values
    for place in dict.fromkeys((*places, folder))
    for name, values in place.metrics().networks.items()
    if name in counts.networks  # a full network that is no reference is not exported
  ]
  if len(timed) >= len(counts.networks) and all(one.exports for one in timed):
    done.add("export")
    if all(one.latency_ms is not None for one in timed):
      done.add("time")
  if folder.metrics().trust:
    done.add("trust")
  return dataclasses.replace(counts, done=frozenset(done))
