"""Drives the generator of an optimizer by hand, as the driver of a search does."""

from nadv2_tf.search import Round


def answered(optimizer, candidates, previous=None):
  """What the driver sends for `candidates`; `previous` is the round before."""
  candidates = tuple(candidates)
  return Round(candidates, optimizer.choose(candidates, previous and previous.best))
