"""How much work a run is: steps, images, networks, and what of it is done."""

import dataclasses
import math

from nadv2_tf.benchmarks.latency_table import CALIBRATION_NETWORKS
from nadv2_tf.benchmarks.table_plan import planned_pieces
from nadv2_tf.pipeline import metering
from nadv2_tf.pipeline.plan.estimate import MATCHES, Counts
from nadv2_tf.pipeline.recipes import finetune_recipe, full_recipe, is_full_first, super_recipe
from nadv2_tf.pipeline.trust import trust_recipe


def counts_of(given, space, images, simulation, targets=1, folder=None):
  """The `Counts` of a run.

  Args:
    given: `Given` options.
    space: the `SearchSpace`.
    images: {"train", "holdout", "test": how many}.
    simulation: a `Simulation` of the search.
    targets: how many.
    folder: the `RunFolder` with what is done already; None: nothing.
  """
  train, search, finetune = given.train, given.search, given.finetune
  steps, is_first = super_recipe(train).steps(images["train"]), is_full_first(train)
  full_steps = min(round(train.full_epochs * (images["train"] // train.batch_size)), steps)
  full_steps = 0 if is_first else full_steps
  own = finetune_recipe(train, finetune)
  trained_on = images["train"] + (images["holdout"] if finetune.finetune_holdout else 0)
  networks = ["found"] * targets
  if given.references:
    networks += ["uniform"] * targets + ["full"]
  is_timed = metering.is_timed(search)
  quantization = given.export.quantization if given.export else "none"
  quantized = ()
  if quantization != "none":
    quantized = tuple(dict.fromkeys(networks)) if given.timed != "none" else ("found",)
  work = Counts(
    full_steps=full_steps,
    steps=steps - full_steps,
    plain_full_steps=full_recipe(train).steps(images["train"]) if is_first else 0,
    finetune_steps=own.steps(trained_on),
    networks=tuple(networks),
    full_is_first=is_first,
    full_batch_share=train.batch_size / own.batch_size,
    full_first=bool(finetune.finetune_distillation) or finetune.transfer == "full",
    holdout=images["holdout"],
    test=images["test"],
    is_timed=is_timed,
    times_at_end=not search.device.startswith(metering.TABLE_DEVICE),
    iterations=simulation.iterations,
    samples=simulation.samples,
    quantized=quantized,
    **_timed(search, space, simulation, targets, given.references if is_timed else False),
    **_more(given, images, simulation),
  )
  return _without_done(work, folder) if folder else work


def _timed(search, space, simulation, targets, references):
  if not metering.is_timed(search):
    return {}
  return {
    "pieces": len(planned_pieces(space)),
    "table_networks": CALIBRATION_NETWORKS + metering.CHECK_NETWORKS,
    "confirmed": simulation.iterations // search.confirm_every + targets,
    "matches": MATCHES * targets if references else 0,
  }


def _more(given, images, simulation):
  more, finetune = {}, given.finetune
  if finetune.transfer == "trajectory":
    batch = finetune.finetune_batch_size or given.train.batch_size
    epoch = images["train"] // batch
    more["transfer_networks"] = simulation.iterations + 1
    more["transfer_steps"] = round(finetune.transfer_epochs * epoch)
  if given.export and given.export.quantization == "int8_qat":
    more["qat_steps"] = math.ceil(
      given.export.qat_epochs * images["train"] / given.train.batch_size
    )
  if given.trust and given.trust.trust_samples:
    recipe = trust_recipe(given.train, finetune, given.trust)
    more["trust_networks"] = min(given.trust.trust_samples, simulation.samples)
    more["trust_steps"] = recipe.steps(images["train"])
  return more


def _without_done(counts, folder):
  """`counts` without what the folder has; of several targets a stage is done when all are."""
  done, places = set(), folder.found_folders()
  metrics = folder.metrics()
  if folder.latency_table.exists():
    done.add("table")
  if folder.super_weights.exists():
    done.add("train")
  if counts.full_is_first and folder.keras("full").exists():
    done |= {"train full", "finetune full"}
  if all("metric" in place.metrics() and place.spec("found").exists() for place in places):
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
    for name, values in place.metrics().get("networks", {}).items()
    if name in counts.networks  # a full network that is no reference is not exported
  ]
  if len(timed) >= len(counts.networks) and all("exports" in one for one in timed):
    done.add("export")
    if all("latency_ms" in one for one in timed):
      done.add("time")
  if "trust" in metrics:
    done.add("trust")
  return dataclasses.replace(counts, done=frozenset(done))
