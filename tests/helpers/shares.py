"""Shares of all options of a space, as `SlopingEvaluator.loss_slopes` takes them."""

import numpy as np


def one_hot(space, spec):
  """The shares of one sub-network."""
  most = max(len(decision.choices) for decision in space.decisions)
  row = zip(space.decisions, space.encode(spec), strict=True)
  return np.eye(most)[[one.choices.index(value) for one, value in row]]


def soft(space, seed):
  """Shares that are all between 0 and 1."""
  rng, found = np.random.default_rng(seed), np.zeros_like(one_hot(space, space.largest()))
  for row, decision in zip(found, space.decisions, strict=True):
    row[: len(decision.choices)] = rng.dirichlet([3.0] * len(decision.choices))
  return found
