"""Search: optimizers as plain generators, and the driver that runs them."""

from nadv2_tf.search.driver import Found, Iteration, SearchResult, minimize
from nadv2_tf.search.evolution import Evolution
from nadv2_tf.search.journal import JournalError
from nadv2_tf.search.mcd import MultiLayerCoordinateDescent
from nadv2_tf.search.netadaptv1 import NetAdaptV1
from nadv2_tf.search.problem import (
  Candidate,
  Problem,
  TrainingEvaluator,
  UnreachableTarget,
  check_target,
)
from nadv2_tf.search.race import Race, RacingEvaluator
from nadv2_tf.search.random_search import RandomSearch
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.scd import SingleLayerCoordinateDescent
from nadv2_tf.search.uniform import UniformScaling

__all__ = [
  "OPTIMIZERS",
  "Candidate",
  "Evolution",
  "Found",
  "Iteration",
  "JournalError",
  "MultiLayerCoordinateDescent",
  "NetAdaptV1",
  "Problem",
  "Race",
  "RacingEvaluator",
  "RandomSearch",
  "SearchResult",
  "SingleLayerCoordinateDescent",
  "TrainingEvaluator",
  "UniformScaling",
  "UnreachableTarget",
  "check_target",
  "minimize",
]
