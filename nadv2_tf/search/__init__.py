"""Search: optimizers as plain generators, and the driver that runs them."""

from nadv2_tf.search import mcd  # noqa: F401  (registers itself)
from nadv2_tf.search.driver import Iteration, SearchResult, minimize
from nadv2_tf.search.journal import JournalError
from nadv2_tf.search.mcd import MultiLayerCoordinateDescent
from nadv2_tf.search.problem import Candidate, Problem, UnreachableTarget, check_target
from nadv2_tf.search.registry import OPTIMIZERS

__all__ = [
  "OPTIMIZERS",
  "Candidate",
  "Iteration",
  "JournalError",
  "MultiLayerCoordinateDescent",
  "Problem",
  "SearchResult",
  "UnreachableTarget",
  "check_target",
  "minimize",
]
