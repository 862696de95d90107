"""Search: optimizers as plain generators, and the driver that runs them."""

from nadv2_tf.search.differentiable import Differentiable
from nadv2_tf.search.driver import Found, Iteration, SearchResult, minimize
from nadv2_tf.search.evolution import Evolution
from nadv2_tf.search.flash import Flash
from nadv2_tf.search.fp_nas import FpNas
from nadv2_tf.search.hurricane import Hurricane
from nadv2_tf.search.integer_program import IntegerProgram
from nadv2_tf.search.journal import JournalError
from nadv2_tf.search.layernas import LayerNAS
from nadv2_tf.search.mcd import MultiLayerCoordinateDescent
from nadv2_tf.search.needs import UnmetNeed
from nadv2_tf.search.netadaptv1 import NetAdaptV1
from nadv2_tf.search.problem import (
  Candidate,
  DigestingEvaluator,
  Evaluator,
  Optimizer,
  Problem,
  ResourceMeter,
  Round,
  SlopingEvaluator,
  SpreadingEvaluator,
  TrainingEvaluator,
  UnreachableTarget,
  check_target,
)
from nadv2_tf.search.race import Race, RacingEvaluator
from nadv2_tf.search.random_search import RandomSearch
from nadv2_tf.search.registry import OPTIMIZERS
from nadv2_tf.search.scd import SingleLayerCoordinateDescent
from nadv2_tf.search.uniform import UniformScaling
from nadv2_tf.spec.registry import load_modules

load_modules(__name__, __path__)  # those that are not named above register themselves as well

__all__ = [
  "OPTIMIZERS",
  "Candidate",
  "Differentiable",
  "DigestingEvaluator",
  "Evaluator",
  "Evolution",
  "Flash",
  "Found",
  "FpNas",
  "Hurricane",
  "IntegerProgram",
  "Iteration",
  "JournalError",
  "LayerNAS",
  "MultiLayerCoordinateDescent",
  "NetAdaptV1",
  "Optimizer",
  "Problem",
  "Race",
  "RacingEvaluator",
  "RandomSearch",
  "ResourceMeter",
  "Round",
  "SearchResult",
  "SingleLayerCoordinateDescent",
  "SlopingEvaluator",
  "SpreadingEvaluator",
  "TrainingEvaluator",
  "UniformScaling",
  "UnmetNeed",
  "UnreachableTarget",
  "check_target",
  "minimize",
]
