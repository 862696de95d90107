"""A latency predictor as a meter and as a file."""

import json
import random

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.regressor import Regressor
from nadv2_tf.resources.predictor import Encoding, LatencyPredictor
from nadv2_tf.search import Problem, minimize
from nadv2_tf.search.needs import AdditiveMeter

SPACE = backbones.search_space("mobilenet_v1", input_shape=(32, 32, 3), classes=10)
ENCODING = Encoding.of(SPACE)


def _predictor(seed=0):
  rng = np.random.default_rng(seed)
  sizes = [(ENCODING.size, 4), (4, 1)]
  layers = [(rng.uniform(size=size), rng.uniform(size=size[1])) for size in sizes]
  # Only what the largest network has costs anything.
  layers[0] = (layers[0][0] * np.array(ENCODING.features(SPACE.largest()))[:, None], layers[0][1])
  return LatencyPredictor(ENCODING, Regressor(layers), {"device": "host: one"})


def test_a_prediction_is_the_square_of_the_output():
  # All weights of the only layer 0 but the first one and the bias: 2 x the first share + 1.
  weights = np.zeros((ENCODING.size, 1))
  weights[0] = 2
  meter = LatencyPredictor(ENCODING, Regressor([(weights, [1.0])]))
  assert meter.measure(SPACE.largest()) == 9.0
  first = SPACE.decisions[0]
  share = first.choices[0] / first.choices[-1]
  assert meter.measure(SPACE.smallest()) == pytest.approx((1 + 2 * share) ** 2)
  assert LatencyPredictor(ENCODING, Regressor([(weights, [-9.0])])).measure(SPACE.largest()) == 0
  assert (meter.unit, meter.is_exact) == ("ms", True)
  assert not isinstance(meter, AdditiveMeter)


def test_the_file_gives_the_same_predictor(tmp_path):
  meter, path, rng = _predictor(), tmp_path / "predictor.json", random.Random(0)
  path.write_text(meter.to_json())
  again = LatencyPredictor.from_json(path)
  assert again.facts == {"device": "host: one"} and again.encoding == ENCODING
  for _ in range(10):
    spec = SPACE.sample(rng)
    assert again.measure(spec) == meter.measure(spec) > 0
  assert again.to_json() == meter.to_json()


def test_a_search_may_use_it():
  meter = _predictor()
  target = 0.5 * (meter.measure(SPACE.smallest()) + meter.measure(SPACE.largest()))

  class Quality:
    def accuracy(self, specs):
      return [sum(SPACE.encode(spec)) / 1e5 for spec in specs]

  result = minimize(Problem(SPACE, SPACE.largest(), meter, target), "scd", Quality())
  assert 0 < result.resource <= target


@pytest.mark.parametrize(
  "other",
  [
    backbones.network("mobilenet_v1"),  # another size of images
    backbones.network("mobilenet_v3_demo"),
  ],
  ids=lambda network: network.name,
)
def test_a_network_of_another_space_is_refused(other):
  message = r"is for networks of 'mobilenet_v1' at 32x32x3 .* \(nadv2-latency-table --predictor"
  with pytest.raises(ValueError, match=message):
    _predictor().measure(other)


def test_a_regressor_with_other_inputs_is_refused():
  message = f"must have {ENCODING.size} inputs, got 1"
  with pytest.raises(ValueError, match=message):
    LatencyPredictor(ENCODING, Regressor([([[1.0]], [0.0])]))


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda value: value.pop("layers"), "layers is missing"),
    (lambda value: value["layers"].pop(), "must have one output, got 4"),
    (lambda value: value["direct"].append(1.0), "direct weights must be"),
    (lambda value: value["decisions"].pop(), "must have .* inputs"),
    (lambda value: value["decisions"][0].update(choices=[]), "is no decision"),
    (lambda value: value["decisions"][0].update(choices=[4, 2]), "is no decision"),
    (lambda value: value["decisions"][0].update(blocks=[99]), "is no decision"),
    (lambda value: value["decisions"][0].update(kind="depth"), "is no decision"),
    (lambda value: value["layers"][0]["biases"].pop(), "Layer 1 of a regressor"),
    (lambda value: value["layers"][0]["weights"][0].pop(), "[Ww]eights|inhomogeneous"),
    (lambda value: value["layers"][0]["weights"][0].__setitem__(0, "x"), "must be a number"),
  ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path, change, message):
  value, path = json.loads(_predictor().to_json()), tmp_path / "predictor.json"
  change(value)
  path.write_text(json.dumps(value))
  with pytest.raises(ValueError, match=message) as error:
    LatencyPredictor.from_json(path)
  assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_what_is_no_json_is_refused(tmp_path):
  path = tmp_path / "predictor.json"
  path.write_bytes(b"\xff")
  with pytest.raises(ValueError, match="is no JSON file"):
    LatencyPredictor.from_json(path)
