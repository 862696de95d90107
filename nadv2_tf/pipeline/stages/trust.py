"""How far a run's search can be trusted: do its scores rank networks as training ranks them?"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.records import TrustMetrics, TrustNetwork
from nadv2_tf.pipeline.stages import plain_training
from nadv2_tf.pipeline.stages import training as training_stages
from nadv2_tf.pipeline.stages.recipes import finetune_recipe
from nadv2_tf.search import journal
from nadv2_tf.search.entries import SampleEntry
from nadv2_tf.training.scoring.evaluation import keras_predictor, measure
from nadv2_tf.training.scoring.rank_correlation import kendall_tau, tau_interval

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import FinetuneOptions, TrainOptions, TrustOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages.workbench import Workbench
  from nadv2_tf.search.entries import Entry
  from nadv2_tf.search.journal import Sample
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.training.recipe import Recipe

#: two networks are in order or not; only from three on is there anything to estimate
FEWEST = 3


def trust_recipe(
  train_options: TrainOptions, finetune_options: FinetuneOptions, options: TrustOptions
) -> Recipe:
  """The `Recipe` of each network: that of fine-tuning, for --trust_epochs."""
  recipe = finetune_recipe(train_options, finetune_options)
  return dataclasses.replace(recipe, epochs=options.trust_epochs)


def check_trust(options: TrustOptions) -> None:
  """Raises ValueError if --trust_samples is too few to say anything, but some."""
  if 0 < options.trust_samples < FEWEST:
    raise ValueError(
      f"--trust_samples must be 0 (no trust figure) or at least {FEWEST}, got "
      f"{options.trust_samples}."
    )


def spread(entries: Iterable[Entry], count: int) -> list[Sample]:
  """`count` samples of a search, spread over its range of the resource.

  Args:
    entries: of journals; a network that several have counts once.
    count: how many; fewer come back if the search scored fewer.

  Returns:
    `Sample`s with different widths, the smallest resource first: for each of `count` evenly spaced
    values the nearest that is left.
  """
  left = sorted(journal.samples(entries), key=lambda sample: (sample.resource, sample.widths))
  if len(left) <= count:
    return left
  low, high = left[0].resource, left[-1].resource
  chosen = []
  for number in range(count):
    goal = low + (high - low) * number / (count - 1)
    nearest = min(left, key=lambda sample: abs(sample.resource - goal))
    left.remove(nearest)
    chosen.append(nearest)
  return sorted(chosen, key=lambda sample: (sample.resource, sample.widths))


def measure_trust(
  bench: Workbench,
  super_model: SuperNetwork,
  finetune_options: FinetuneOptions,
  options: TrustOptions,
  progress: Progress,
  full: keras.Model | None = None,
) -> None:
  """Trains samples of the search and writes Kendall's tau of score and accuracy into the metrics.

  The networks, each of which is written down when it is done, are in trust.json; what stands there
  is not trained again.

  Args:
    bench: a `Workbench` whose search is over.
    super_model: the trained super-network.
    finetune_options: `FinetuneOptions`, for the learning rate.
    options: `TrustOptions`; without samples nothing is done.
    progress: a `Progress`.
    full: the trained full network, if there is one: samples begin as the found network did.
  """
  if not options.trust_samples:
    return
  folder = bench.folder
  entries = journal.read_all(folder.journals())
  # A uniformly scaled network lies beside the grid.
  entries = [entry for entry in entries if _is_on_grid(bench.space, entry)]
  chosen = spread(entries, options.trust_samples)
  recipe = trust_recipe(bench.train_options, finetune_options, options)
  begins_with = lineage.of_weights(super_model if full is None else full)
  known = folder.read_trust()
  trained: list[TrustNetwork] = []
  for number, sample in enumerate(chosen, start=1):
    what = (sample.widths, str(recipe), begins_with)
    done = next((one for one in known if (one.widths, one.recipe, one.begins_with) == what), None)
    if done is None:
      title = f"trust {number}/{len(chosen)}"
      model = training_stages.begun(
        bench, super_model, bench.space.decode(sample.widths), finetune_options, full
      )
      done = TrustNetwork(*what, *_trained(bench, model, sample.widths, recipe, title, progress))
      known.append(done)
      folder.write_json(folder.trust, {"networks": known})
    trained.append(done)
  networks = [
    (sample.first, sample.resource, done.test_accuracy)
    for sample, done in zip(chosen, trained, strict=True)
  ]
  folder.update_metrics(
    trust=figures(networks, options), seconds={"trust": sum(done.seconds for done in trained)}
  )


def _is_on_grid(space: SearchSpace, entry: Entry) -> bool:
  return isinstance(entry, SampleEntry) and all(
    value in decision.choices for value, decision in zip(entry.widths, space.decisions, strict=True)
  )


def _trained(
  bench: Workbench,
  model: keras.Model,
  widths: Sequence[int],
  recipe: Recipe,
  title: str,
  progress: Progress,
) -> tuple[float, float]:
  """Trains one network that was cut out: (its accuracy on the test set, seconds)."""
  start, spec = time.monotonic(), bench.space.decode(widths)
  plain_training.train_on(bench, model, spec, recipe, title, progress)
  accuracy = measure(bench.task, keras_predictor(model), bench.datasets.test).accuracy
  return accuracy, round(time.monotonic() - start, 1)


def figures(networks: Sequence[tuple[float, float, float]], options: TrustOptions) -> TrustMetrics:
  """What metrics.json says.

  Args:
    networks: of each (score, resource, accuracy on the test set).
    options: `TrustOptions`.
  """
  if len(networks) < FEWEST:
    return TrustMetrics(len(networks), options.trust_epochs, None, None, None)
  scores, resources, accuracies = zip(*networks, strict=True)
  return TrustMetrics(
    len(networks),
    options.trust_epochs,
    tau=kendall_tau(scores, accuracies),
    interval=tau_interval(scores, accuracies),
    tau_of_resource=kendall_tau(resources, accuracies),
  )
