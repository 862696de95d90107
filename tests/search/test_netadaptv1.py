"""NetAdaptV1: its published example, and what it asks of an evaluator that trains."""

import pytest

from nadv2_tf.resources import MacsMeter
from nadv2_tf.search import Evolution, NetAdaptV1, Problem, minimize
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable

# The example of the authors' program: 3 -> 16 -> 32 -> 64 -> 10 channels, four 3x3 convolutions.
# 64 levels make every step of every width one filter.
SPACE = space_of(
  NetworkSpec("example", (8, 8, 3), tuple(Conv(filters, 3) for filters in (16, 32, 64, 10))),
  levels=64,
)


class Weights:
  """The example's resource: weights of the convolutions, without biases."""

  unit, is_exact = "weights", True

  def measure(self, spec):
    layers = [layer for block in spec.layers() for layer in block]
    return float(sum(9 * layer.in_channels * layer.kept for layer in layers))


def _oracle(spec):
  """Accuracy by which of the three widths differ from the full network's."""
  smaller = tuple(
    block.filters < full for block, full in zip(spec.blocks, (16, 32, 64), strict=False)
  )
  return {
    (True, False, False): 0.01,
    (False, True, False): 0.05,
    (False, False, True): 0.80,
    (True, False, True): 0.85,
    (False, True, True): 0.10,
    (True, True, True): 0.90,
    (False, False, False): 0.95,
  }[smaller]


class Trainer:
  """A `TrainingEvaluator`; remembers what it was asked for and told, in order."""

  def __init__(self):
    self.log = []

  def accuracy(self, specs):
    self.log += [("train", SPACE.encode(spec)) for spec in specs]
    return [_oracle(spec) for spec in specs]

  def go_on_from(self, spec):
    self.log.append(("go on from", SPACE.encode(spec)))


def _search(evaluator, path=None):
  # 2.5 % of the 29232 weights, 730.8, in every iteration. The third ends at 26181; its own goal is
  # 27531 - 730.8 = 26800.2, which the target must not undercut.
  problem = Problem(SPACE, SPACE.largest(), Weights(), 26800)
  return minimize(problem, NetAdaptV1(0.025, 1.0), evaluator, path)


def test_the_published_example():
  assert Weights().measure(SPACE.largest()) == 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 10) == 29232
  result = _search(Trainer())
  path = [
    (iteration.best.resource, SPACE.encode(iteration.best.spec)) for iteration in result.iterations
  ]
  # A filter of the first layer has 9 (3 + 32) = 315 weights, of the second 9 (16 + 64) = 720, of
  # the third 9 (32 + 10) = 378. First iteration, cuts of 3, 2 and 2 filters save 945, 1440 and 756;
  # 94 / 945, 90 / 1440 and 15 / 756 points are lost for each weight: the third layer.
  assert path == [
    (29232, (16, 32, 64)),
    (28476, (16, 32, 62)),
    (27531, (13, 32, 62)),
    (26181, (13, 30, 62)),
  ]
  assert result.resource == 26181 and result.accuracy == 0.90


def test_each_round_trains_one_cut_of_each_layer_and_goes_on_from_the_best():
  trainer = Trainer()
  _search(trainer)
  assert trainer.log[:6] == [
    ("train", (16, 32, 64)),
    ("go on from", (16, 32, 64)),
    ("train", (13, 32, 64)),
    ("train", (16, 30, 64)),
    ("train", (16, 32, 62)),
    ("go on from", (16, 32, 62)),
  ]
  told = [row for what, row in trainer.log if what == "go on from"]
  assert told[2:] == [(13, 32, 62), (13, 30, 62)]


class Killed(Exception):
  """Stands for a power cut."""


def test_a_resumed_search_is_told_again_what_it_went_on_from(tmp_path):
  class Mortal(Trainer):
    def accuracy(self, specs):
      if sum(what == "train" for what, _ in self.log) == 6:
        raise Killed
      return super().accuracy(specs)

  path, trainer = tmp_path / "search.jsonl", Trainer()
  with pytest.raises(Killed):
    _search(Mortal(), path)
  assert _search(trainer, path) == _search(Trainer())
  # Six of the ten samples were trained: the start, three, and two of the next three.
  assert trainer.log[:3] == [
    ("go on from", (16, 32, 64)),
    ("go on from", (16, 32, 62)),
    ("train", (16, 32, 60)),
  ]
  assert sum(what == "train" for what, _ in trainer.log) == 4


def test_every_optimizer_tells_a_trainer_what_it_goes_on_from():
  trainer = Trainer()
  problem = Problem(SPACE, SPACE.largest(), Weights(), 26800)

  def accuracy(specs):
    return [0.5 for _ in specs]

  trainer.accuracy = accuracy
  result = minimize(problem, Evolution(4, 2, 2, 0.5, 2, 3), trainer)
  bests = [SPACE.encode(iteration.best.spec) for iteration in result.iterations]
  assert [row for _, row in trainer.log] == bests and len(bests) == 3


def test_kernels_stay():
  network = NetworkSpec("kernels", (8, 8, 1), (Conv(8), DepthwiseSeparable(8, 8, 7), Conv(2)))
  space, meter = space_of(network, 8), MacsMeter()
  assert [decision.kind for decision in space.decisions].count("kernel") == 1
  seen = []

  class Any:
    def accuracy(self, specs):
      seen.extend(specs)
      return [0.5 for _ in specs]

  problem = Problem(space, space.largest(), meter, 0.5 * meter.measure(space.largest()))
  minimize(problem, NetAdaptV1(0.1, 1.0), Any())
  assert {spec.blocks[1].kernel for spec in seen if spec.blocks[1].depthwise} == {7}
  assert len(seen) > 5


def test_the_defaults_are_those_of_the_authors_scripts():
  assert NetAdaptV1() == NetAdaptV1(0.025, 0.96)
