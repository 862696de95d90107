"""Network specs and search spaces: plain Python values, standard library only."""

from nadv2_tf.spec.network import NetworkSpec, Skip
from nadv2_tf.spec.space import SearchSpace, space_of

__all__ = ["NetworkSpec", "SearchSpace", "Skip", "space_of"]
