"""How much slower this machine is than that of the coefficients on paper."""

import pytest

from nadv2_tf.pipeline.plan import paper


def test_layers_and_python_are_held_against_the_machine_of_the_coefficients(monkeypatch):
  layers, python = paper.REFERENCE
  results = []

  def seconds(work):
    results.append(work())
    # The first of each warms up; what counts is the quickest.
    first_of_its_kind = len(results) in (1, paper.ATTEMPTS + 1)
    least = 2 * layers if len(results) <= paper.ATTEMPTS else 3 * python
    return 100.0 if first_of_its_kind else least

  monkeypatch.setattr(paper, "_seconds", seconds)
  found = paper.this_machine()
  assert (found.computing, found.python) == (pytest.approx(2), pytest.approx(3))
  of_layers = {float(one) for one in results[: paper.ATTEMPTS]}
  assert len(of_layers) == 1 and of_layers.pop() > 0  # the same work every time
  assert results[paper.ATTEMPTS] == sum(index * index for index in range(400_000))
