"""Single-layer coordinate descent: one sample for each layer, which is MCD with one layer."""

import random

import pytest
from rounds import answered

from nadv2_tf import backbones
from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import (
  Candidate,
  MultiLayerCoordinateDescent,
  Problem,
  SingleLayerCoordinateDescent,
)
from nadv2_tf.search.descent import layers_of

METER = MacsMeter()


def _problem(name, share=0.5):
  space = backbones.search_space(name)
  return Problem(space, space.largest(), METER, share * METER.measure(space.largest()))


@pytest.mark.parametrize("name", ["mobilenet_v1", "fastdepth", "mobilenet_v3_demo"])
def test_each_layer_gives_one_sample_in_which_it_alone_is_shrunk(name):
  problem = _problem(name)
  space, start = problem.space, problem.start
  full, layers = space.encode(start), layers_of(space)
  search = SingleLayerCoordinateDescent(0.02, choose_by="accuracy").search(
    problem, random.Random(0)
  )
  samples, changed = next(search), []
  for sample in samples:
    columns = {c for c, value in enumerate(space.encode(sample)) if value != full[c]}
    (layer,) = (number for number, layer in enumerate(layers) if columns & set(layer))
    assert columns <= set(layers[layer])
    assert METER.measure(sample) <= 0.98 * METER.measure(start)
    changed.append(layer)
  assert changed == sorted(set(changed))  # in the order in which the layers run
  # The layers without a sample cannot save 2 % by themselves, even if they are removed.
  for number in set(range(len(layers))) - set(changed):
    row = list(full)
    for column in layers[number]:
      row[column] = space.decisions[column].choices[0]
    assert METER.measure(space.decode(row)) > 0.98 * METER.measure(start)


def test_mcd_with_one_layer_draws_the_samples_that_scd_goes_through():
  # MobileNetV1 has one kernel size, so that a layer and a goal make one sample.
  problem = _problem("mobilenet_v1")
  optimizer = SingleLayerCoordinateDescent(0.02, choose_by="accuracy")
  scd = optimizer.search(problem, random.Random(0))
  # Of at most 27 layers each is drawn among 2 000 times: none is missed.
  mcd = MultiLayerCoordinateDescent(200, 1, 0.02, choose_by="accuracy").search(
    problem, random.Random(0)
  )
  scored = None
  for _ in range(5):
    samples, drawn = scd.send(scored), mcd.send(scored)
    rows = [[problem.space.encode(sample) for sample in both] for both in (samples, drawn)]
    assert sorted(rows[0]) == sorted(rows[1]) and 3 < len(samples) <= 27
    # The same answer to both: that the sample of the layer in the middle is the best.
    best = sorted(samples, key=problem.space.encode)[len(samples) // 2]
    candidates = [Candidate(s, float(s == best), METER.measure(s)) for s in samples]
    scored = answered(optimizer, candidates)


def test_the_defaults_are_the_schedule_of_mcd():
  scd, mcd = SingleLayerCoordinateDescent(), MultiLayerCoordinateDescent()
  for field in ("initial_reduction", "reduction_decay", "choose_by"):
    assert getattr(scd, field) == getattr(mcd, field)
