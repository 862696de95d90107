"""Drives the generator of an optimizer by hand, as the driver of a search does."""

import random

from nadv2_tf.search import Candidate, Round


def answered(optimizer, candidates, previous=None):
  """What the driver sends for `candidates`; `previous` is the round before."""
  candidates = tuple(candidates)
  return Round(candidates, optimizer.choose(candidates, previous and previous.best))


def drive(optimizer, problem, accuracy, seed=0):
  """Runs the generator by hand; the resource after every iteration."""
  search, scored, resources = optimizer.search(problem, random.Random(seed)), None, []
  while True:
    try:
      specs = search.send(scored)
    except StopIteration as stop:
      return stop.value, resources
    measure = problem.meter.measure
    candidates = (Candidate(spec, accuracy(spec), measure(spec)) for spec in specs)
    scored = answered(optimizer, candidates, scored)
    resources.append(scored.best.resource)
