"""What going downhill in the super-network finds, against a model of the accuracy, and MCD.

  nadv2-train --backbone=mobilenet_v3_demo --data=demo --full_epochs=5 --epochs=0 --output=RUN
  python -m nadv2_tf.benchmarks.studies.slopes --run=RUN --seeds=0,1

All searches score with the same shared weights, for a share of the largest network's MACs. What
they found is told with its score on the hold-out, on which it was chosen, and on the test images,
on which nothing was; no network is trained on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.search import Differentiable, MultiLayerCoordinateDescent, Problem, minimize

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.search import Evaluator, Optimizer
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.types import AnyPath

FLAGS = flags.FLAGS


def searches(steps: int, images: int) -> dict[str, Optimizer]:
  """{name: optimizer}; a descent in the super-network has `steps` of `images`."""
  downhill = Differentiable(slopes="super_network", descent_steps=steps, descent_images=images)
  return {
    "super_network": downhill,
    "surrogate": Differentiable(slopes="surrogate"),
    "mcd": MultiLayerCoordinateDescent(),
  }


def lines(
  problem: Problem,
  chosen: Mapping[str, Optimizer],
  evaluator: Evaluator,
  test_score: Callable[[NetworkSpec], float],
  seeds: Iterable[int],
) -> Iterator[str]:
  """A line for each seed and search, when it is done."""
  most = problem.meter.measure(problem.start)
  for seed in seeds:
    for name, optimizer in chosen.items():
      start = time.process_time()
      result = minimize(problem, optimizer, evaluator, seed=seed)
      seconds = time.process_time() - start
      yield (
        f"seed {seed} {name:14} hold-out {result.accuracy:.3f} test {test_score(result.spec):.3f} "
        f"MACs {result.resource / most:.3f}, {result.samples_scored} samples, {seconds:.0f} s of "
        "processor"
      )


def run_study(
  run: AnyPath, share: float, seeds: Sequence[int], chosen: Mapping[str, Optimizer]
) -> None:
  """Prints the full network's scores, and `lines`, for a run whose super-network is trained."""
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.stages import search, workbench
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.resources import MacsMeter
  from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

  bench = workbench.reopen_workbench(run)
  model = super_stage.train_super_network(bench, Progress())
  calibration = bench.datasets.train.take(slice(search.CALIBRATION_IMAGES))
  images: Any = (bench.datasets.holdout, bench.datasets.test)  # neither is streamed
  holdout, test = (SharedWeightsEvaluator(model, bench.task, part, calibration) for part in images)
  full, meter = bench.space.largest(), MacsMeter()
  scores = (evaluator.accuracy([full])[0] for evaluator in (holdout, test))
  print("full network: hold-out {:.3f} test {:.3f}".format(*scores), flush=True)
  problem = Problem(bench.space, full, meter, share * meter.measure(full))
  for line in lines(problem, chosen, holdout, lambda spec: test.accuracy([spec])[0], seeds):
    print(line, flush=True)


def main(_: list[str]) -> None:
  from nadv2_tf.programs.start import start_tensorflow

  start_tensorflow()
  known = searches(FLAGS.steps, FLAGS.images)
  unknown = set(FLAGS.searches) - set(known)
  if unknown:
    raise app.UsageError(f"--searches must be some of {', '.join(known)}; got {unknown.pop()}.")
  chosen = {name: known[name] for name in FLAGS.searches}
  run_study(FLAGS.run, FLAGS.share, [int(seed) for seed in FLAGS.seeds], chosen)


if __name__ == "__main__":
  flags.DEFINE_string("run", None, "Folder that nadv2-train left.", required=True)
  flags.DEFINE_list("seeds", ["0"], "Of the searches.")
  flags.DEFINE_float("share", 0.5, "Of the largest network's MACs.")
  flags.DEFINE_integer("steps", 60, "Downhill, for each weight of the resource.")
  flags.DEFINE_integer("images", 32, "Of each step.")
  flags.DEFINE_list("searches", ["super_network", "surrogate", "mcd"], "Which.")
  app.run(main)
