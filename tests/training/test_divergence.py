"""A training that diverges goes back once, with half the learning rate, then stops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.checkpoints.collapse import CollapseWatch, answers_alike
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.loop import TrainingDiverged, TrainingLoop
from nadv2_tf.training.recipe import Recipe

#: 8 steps an epoch
RECIPE = Recipe(4, 8, "sgd", 0.02, weight_decay=0.0, shift=0)


@pytest.fixture(scope="module")
def examples():
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, 64)
  images = rng.integers(0, 50, (64, 8, 8, 1)) + 200 * labels[:, None, None, None]
  return Examples(images.astype(np.uint8), labels.astype(np.int64))


class _Diverging(Classification):
  """A task whose loss is multiplied by `factor` in step 10, and in the `more` steps after it."""

  def __init__(self, factor, more=0):
    super().__init__("demo", 8, 1, 0)
    self._factor, self._more = np.float32(factor), more
    self._steps = tf.Variable(0)

  def loss(self, targets, outputs):
    step = self._steps.assign_add(1)
    is_bad = (step >= 10) & (step <= 10 + self._more)
    return super().loss(targets, outputs) * tf.where(is_bad, self._factor, 1.0)


def train(space, examples, task, checkpoints=None, on_report=None):
  keras.utils.set_random_seed(1)
  model = stand_alone(space.largest())
  loop = TrainingLoop(model, task, RECIPE)
  seen = []

  def remember(report):
    seen.append((report.step, model.get_weights()))
    if on_report:
      on_report(model, report)

  try:
    loop.run(examples, remember, report_every=8, checkpoints=checkpoints)
  finally:
    loop.model, loop.seen = model, seen
    train.last = loop
  return loop


@pytest.mark.parametrize(("factor", "name"), [(np.nan, "nan"), (np.inf, "inf")])
def test_once_it_goes_back_and_ends_well(tiny_space, examples, tmp_path, factor, name):
  lines = []
  keeper = Checkpoints(tmp_path, {}, every=0, tell=lines.append)
  loop = train(tiny_space, examples, _Diverging(factor), keeper)
  seen = f"the loss became {name} at step 10 of 32"
  assert lines == [f"{seen}: going back to step 9 of 32, with half the learning rate"]
  assert loop.state.setbacks == [seen]
  assert [report.step for report in loop.state.reports] == [8, 16, 24, 32]
  assert all(np.isfinite(weights).all() for weights in loop.model.get_weights())
  assert loop.state.reports[-1].accuracy > 0.9
  # A kill after it: the setback, and with it the halved rate, stands in the checkpoint.
  again = train(tiny_space, examples, _Diverging(1.0), keeper)
  assert again.state.setbacks == [seen] and again.state.step == 32


def test_the_learning_rate_is_halved(tiny_space, examples, monkeypatch):
  rates, make = [], Recipe.make_optimizer

  def remember(recipe, *given):
    rates.append(recipe.learning_rate)
    return make(recipe, *given)

  monkeypatch.setattr(Recipe, "make_optimizer", remember)
  train(tiny_space, examples, _Diverging(np.nan))
  assert rates == [0.02, 0.01]


def test_the_advice_names_the_flag_of_the_rate(tiny_space, examples):
  model = stand_alone(tiny_space.largest())
  task = _Diverging(np.nan, more=9)
  loop = TrainingLoop(model, task, RECIPE, rate_flag="--finetune_learning_rate")
  with pytest.raises(TrainingDiverged, match=r"Try a lower --finetune_learning_rate than 0\.02"):
    loop.run(examples)


def test_the_second_time_it_stops_with_the_last_good_weights(tiny_space, examples):
  with pytest.raises(TrainingDiverged) as error:
    train(tiny_space, examples, _Diverging(np.nan, more=9))
  assert str(error.value) == (
    "the loss became nan at step 9 of 32, after half the learning rate was tried (the loss became "
    "nan at step 10 of 32). The weights of step 8 are kept. Try a lower --learning_rate than 0.02."
  )
  (step, good), *_ = train.last.seen
  assert step == 8  # the last epoch's start, kept in memory
  for kept, weights in zip(train.last.model.get_weights(), good, strict=True):
    np.testing.assert_array_equal(kept, weights)


def test_weights_that_are_not_finite_are_not_kept(tiny_space, examples, tmp_path):
  """A finite loss whose gradient is not: 1e38 times a gradient above 1 overflows."""
  lines = []
  keeper = Checkpoints(tmp_path, {}, every=0, tell=lines.append)

  def spoil(model, report):
    if report.step == 16 and not lines:
      model.trainable_variables[0].assign(model.trainable_variables[0] * np.inf)

  loop = train(tiny_space, examples, Classification("demo", 8, 1, 0), keeper, spoil)
  assert len(lines) == 1 and "was not finite after step 16 of 32: going back to step 15" in lines[0]
  assert all(np.isfinite(weights).all() for weights in loop.model.get_weights())


def _kill_units(model):
  """Every ReLU is dead for good: no image is above its bias, and no gradient reaches it."""
  kernel, bias = model.get_layer("units").variables
  bias.assign(bias * 0 - 1e3)


def train_units(examples, tmp_path, deaths):
  """Trains a small network whose units die after step 17, `deaths` times."""
  keras.utils.set_random_seed(1)
  layers = [keras.layers.Flatten(), keras.layers.Dense(16, "relu", name="units")]
  model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(2)])
  lines, task = [], Classification("demo", 8, 1, 0)

  def die(report):
    nonlocal deaths
    if report.step == 17 and deaths:
      deaths -= 1
      _kill_units(model)

  loop = TrainingLoop(model, task, RECIPE)
  keeper = Checkpoints(tmp_path, {}, every=0, keep=20, tell=lines.append)
  try:
    loop.run(examples, die, report_every=1, checkpoints=keeper)
  finally:
    loop.lines = lines
    train.last = loop
  return loop


def test_a_collapsed_network_goes_back_to_before_the_window(examples, tmp_path):
  loop = train_units(examples, tmp_path, deaths=1)
  seen = "the network gave all images the same outputs at step 24 of 32"
  assert loop.lines == [f"{seen}: going back to step 16 of 32, with half the learning rate"]
  assert loop.state.reports[-1].accuracy > 0.9 and len(loop.state.reports) == 32


def test_a_network_that_collapses_again_stops(examples, tmp_path):
  with pytest.raises(TrainingDiverged, match="same outputs at step 24 of 32, after half the"):
    train_units(examples, tmp_path, deaths=2)
  assert train.last.state.step == 16


def test_quality_that_falls_is_no_collapse_where_answers_differ(tiny_space, randomise):
  watch = CollapseWatch(3)
  assert [watch.is_suspicious(q) for q in (0.5, 0.6, 0.7)] == [False] * 3  # 0.6, the best
  assert [watch.is_suspicious(q) for q in (0.5, 0.6, 0.55)] == [False] * 3  # 0.55 > 0.9 * 0.6
  assert [watch.is_suspicious(q) for q in (0.5, 0.5, 0.6)] == [False, False, True]  # 0.533
  other = CollapseWatch(3)
  other.from_json(watch.to_json())
  assert [other.is_suspicious(q) for q in (0.5, 0.5, 0.6)] == [False, False, True]
  images = np.random.default_rng(0).normal(size=(20, 8, 8, 1)).astype(np.float32)
  for model, space in (
    (stand_alone(tiny_space.largest()), None),
    (super_network(tiny_space), tiny_space),
  ):
    randomise(model, 0)
    assert not answers_alike(model, images, space)
    assert answers_alike(model, np.repeat(images[:1], 20, axis=0), space)
    for variable in model.trainable_variables[-2:]:  # of the classifier
      variable.assign(variable * 0)
    assert answers_alike(model, images, space)
