"""One cell of the comparison: a method with a seed, kept on disk when it is done."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import keras

from nadv2_tf import backbones
from nadv2_tf.benchmarks.studies.compare.methods import make_optimizer, spaces
from nadv2_tf.benchmarks.studies.compare.plan import Plan
from nadv2_tf.benchmarks.tables.measurement import TableMeasurement, check_header
from nadv2_tf.benchmarks.tables.meter import DeviceMeter
from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.models import slice_network, super_network
from nadv2_tf.options import TimingSettings
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search import Problem, UnreachableTarget, minimize
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.files import write_atomically
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recalibration import recalibrate
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.evaluation import evaluate, keras_predictor
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.scoring.trained_samples import FineTuningEvaluator
from nadv2_tf.training.widths import WidthSampler

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable, Iterable, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.compare.methods import Method
  from nadv2_tf.search import Found, SearchResult
  from nadv2_tf.search.problem import Evaluator
  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.task import Task

RECALIBRATION = 2000


class Comparison:
  """Runs cells; what stands in its folder is not run again.

  Args:
    plan: a `Plan`.
    task: gives loss and quality.
    datasets: of the task.
    folder: where everything is kept.
    say: called with lines of progress.
  """

  def __init__(
    self,
    plan: Plan,
    task: Task,
    datasets: Datasets,
    folder: pathlib.Path,
    say: Callable[[str], None] = print,
  ) -> None:
    self._plan = plan
    self._task = task
    self._datasets = datasets
    self._folder = folder
    self._say = say
    space = backbones.search_space(
      plan.backbone,
      datasets.train.image_shape,
      classes=len(datasets.class_names),
    )
    self._spaces = spaces(space, plan.largest_kernel)
    for name in ("tables", "supers", "cells"):
      (folder / name).mkdir(parents=True, exist_ok=True)

  def measure_tables(self, methods: Iterable[Method]) -> None:
    """Measures the latency tables that are missing, before anything is trained."""
    for name in dict.fromkeys(["cbc", *(method.space for method in methods)]):
      self._table(name)

  def cell(self, name: str, method: Method, seed: int) -> dict[str, Any]:
    """What came of one method with one seed.

    Returns:
      {"super_seconds", "search_seconds", "samples", "found": [for each target {...}], "unreached":
      [targets below what the method's networks can reach]}.

    Raises:
      UnreachableTarget: if the method reaches none of the targets.
    """
    path = self._folder / "cells" / f"{name}_{seed}.json"
    if path.exists():
      return json.loads(path.read_text(encoding="utf-8"))
    model, super_seconds = self._super_network(method, seed)
    # The targets in milliseconds are the same for all methods, whatever their spaces.
    largest = float(self._table("cbc").facts["largest_ms"])
    targets = [share * largest for share in sorted(self._plan.targets)]
    unreached: list[float] = []
    while True:
      # Another search, another journal.
      suffix = f"_without_{len(unreached)}" if unreached else ""
      stem = path.with_name(f"{name}_{seed}{suffix}")
      evaluator = self._evaluator(method, model, seed, stem)
      try:
        result, search_seconds = self._search(method, evaluator, targets, seed, stem)
        break
      except UnreachableTarget as error:
        self._say(f"{method.title}, seed {seed}: {error}")
        unreached.append(targets.pop(0))
        if not targets:
          raise
    self._say(f"{method.title}, seed {seed}: {result.samples_scored} samples")
    found = []
    for one in result.found:
      if method.trains_samples:
        evaluator.show(one.spec)
      found.append(self._found(model, one, seed))
    cell = {
      "super_seconds": super_seconds,
      "search_seconds": search_seconds,
      "samples": result.samples_scored,
      "found": found,
      "unreached": unreached,
    }
    write_atomically(path, json.dumps(cell, indent=2).encode())
    return cell

  def _evaluator(self, method, model, seed, stem):
    """What scores the method's samples."""
    plan, datasets = self._plan, self._datasets
    calibration = datasets.train.take(slice(plan.calibration))
    if not method.trains_samples:
      return SharedWeightsEvaluator(model, self._task, datasets.holdout, calibration)
    epochs = plan.netadaptv1_steps / (len(datasets.train) // plan.batch_size)
    recipe = Recipe(epochs, plan.batch_size, "adam", 2e-3, weight_decay=0.0)
    return FineTuningEvaluator(
      model, self._task, datasets.train, datasets.holdout, recipe, calibration, stem, seed
    )

  def _search(
    self,
    method: Method,
    evaluator: Evaluator,
    targets: Sequence[float],
    seed: int,
    stem: pathlib.Path,
  ) -> tuple[SearchResult, float]:
    """(`SearchResult`, seconds, those before an interruption included)."""
    space = self._spaces[method.space]
    smallest, *larger = targets
    problem = Problem(
      space, space.largest(), self._table(method.space), smallest, larger_targets=tuple(larger)
    )
    clock = stem.with_suffix(".seconds")
    before = float(clock.read_text(encoding="utf-8")) if clock.exists() else 0.0
    start = time.monotonic()

    def note(_=None):
      seconds = before + time.monotonic() - start
      write_atomically(clock, str(seconds).encode())
      return seconds

    optimizer = make_optimizer(method.optimizer, self._plan)
    journal = stem.with_suffix(".jsonl")
    result = minimize(problem, optimizer, evaluator, journal, seed, on_iteration=note)
    return result, note()

  def measure(self, cells: Iterable[Mapping[str, Any]]) -> list[float]:
    """Times all found networks in turns, once; milliseconds of each target of each cell."""
    path = self._folder / "latency.json"
    texts = [found["spec"] for cell in cells for found in cell["found"]]
    if path.exists():
      known = json.loads(path.read_text(encoding="utf-8"))
      if known["specs"] == texts:
        return known["milliseconds"]
    specs = [NetworkSpec.from_json(text) for text in texts]
    with open_device("host") as device:
      measured = DeviceMeter(device, TimingSettings(seconds=0.1, repeats=7)).measure_all(specs)
    write_atomically(path, json.dumps({"specs": texts, "milliseconds": measured}).encode())
    return measured

  def _found(self, model: keras.Model, found: Found, seed: int) -> dict[str, Any]:
    """Cuts a found network out, trains it on, and tells what came of it."""
    start = time.monotonic()
    keras.utils.set_random_seed(seed)
    network = slice_network(model, found.spec)
    recalibrate(network, self._datasets.train.take(slice(RECALIBRATION)))
    recipe = Recipe(self._plan.found_epochs, self._plan.batch_size, "adam", 2e-3, weight_decay=0.0)
    TrainingLoop(network, self._task, recipe, seed=seed).run(self._datasets.train)
    classes = len(self._datasets.class_names)
    accuracy = evaluate(keras_predictor(network), self._datasets.test, classes).accuracy
    self._say(f"  {found.target:.3f} ms: predicted {found.resource:.3f}, accuracy {accuracy:.2%}")
    return {
      "target": found.target,
      "predicted": found.resource,
      "score": found.accuracy,
      "accuracy": accuracy,
      "macs": found.spec.macs(),
      "seconds": time.monotonic() - start,
      "spec": found.spec.to_json(),
    }

  def _super_network(self, method: Method, seed: int) -> tuple[keras.Model, float]:
    """(the network that is trained before the search, seconds of its training).

    That of a method that trains its samples is the plain largest network, put into a super-network
    of which every step trains nothing else, at its own cost.
    """
    plan = self._plan
    space = self._spaces[method.space]
    is_plain = method.trains_samples
    subnetworks = plan.subnetworks if method.has_ordered_dropout and not is_plain else 1
    keras.utils.set_random_seed(seed)
    model = super_network(space, groups=subnetworks)
    stem = self._folder / "supers" / f"{method.super_network}_{seed}"
    weights, log = stem.with_suffix(".weights.h5"), stem.with_suffix(".json")
    if log.exists():
      model.load_weights(weights)
      return model, json.loads(log.read_text(encoding="utf-8"))["seconds"]
    steps = len(self._datasets.train) // plan.batch_size
    sampler = WidthSampler(
      space,
      plan.batch_size,
      subnetworks,
      full=1 if method.has_ordered_dropout or is_plain else 0,
      full_steps=round(plan.full_epochs * steps),
      size_noise=plan.size_noise,
      smallest=plan.smallest if subnetworks > 1 else 0,
      block_noise=plan.block_noise,
      seed=seed,
    )
    distillation = plan.distillation if subnetworks > 1 else 0.0
    start = time.monotonic()
    recipe = Recipe(plan.super_epochs, plan.batch_size, "adam", 3e-3, weight_decay=0.0)
    loop = TrainingLoop(
      model,
      self._task,
      recipe,
      sampler,
      seed=seed,
      execution="sliced",
      distillation=distillation,
    )
    loop.run(self._datasets.train)
    seconds = time.monotonic() - start
    model.save_weights(weights)
    write_atomically(log, json.dumps({"seconds": seconds}).encode())
    self._say(f"network {stem.name}: {seconds:.0f} s")
    return model, seconds

  def _table(self, name: str) -> LatencyTable:
    """The latency table of a space on this machine, measured once."""
    # The plain space is a part of it, and its largest network the same.
    space = self._spaces["no_cbc" if name == "plain" else name]
    path = self._folder / "tables" / f"{space.network.name}.csv"
    with open_device("host") as device:
      measurement = TableMeasurement(space, device, TimingSettings(), path)
      if path.exists():
        check_header(path, measurement.header)
      else:
        write_atomically(path, measurement.measure(10).to_csv().encode())
      measurement.finish()
    return LatencyTable.from_csv(path)


def check_plan(folder: pathlib.Path, plan: Plan) -> None:
  """Raises ValueError if the folder holds a comparison of another size; else notes the plan."""
  path = folder / "plan.json"
  if path.exists():
    try:
      noted = json.loads(path.read_text(encoding="utf-8"))
      # A plan of before a field was added has the field's default.
      noted = Plan(**noted | {"targets": tuple(noted["targets"])})
    except (ValueError, TypeError, KeyError):
      raise ValueError(f"{path} is no plan of a comparison; choose another --output.") from None
    if noted != plan:
      raise ValueError(f"--output={folder} holds another comparison, see {path}; choose another.")
  folder.mkdir(parents=True, exist_ok=True)
  write_atomically(path, json.dumps(dataclasses.asdict(plan), indent=2).encode())
