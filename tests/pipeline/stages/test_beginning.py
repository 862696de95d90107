"""Two beginnings of a last training, of which the hold-out chooses one."""

import dataclasses
import io

import numpy as np
import pytest

from nadv2_tf.models import slice_network, stand_alone
from nadv2_tf.models.slicing import fill_super_network
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.stages import beginning, plain_training, workbench
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.training.recipe import Recipe

RECIPE = Recipe(3, 32, "adam", 1e-3, weight_decay=0.0)


@pytest.fixture
def setting(finished_run):
  """(workbench, super-network, full network, a spec)."""
  bench = workbench.reopen_workbench(finished_run[0])
  full = stand_alone(bench.space.largest())
  super_model = super_stage.new_super_network(bench)
  fill_super_network(super_model, full)
  return bench, super_model, full, bench.folder.read_spec("found")


def _tried(setting, monkeypatch, epochs, accuracies):
  """(model, name, what was said, epochs of what was trained), with given accuracies in turn."""
  bench, super_model, full, spec = setting
  bench = dataclasses.replace(
    bench, train_options=dataclasses.replace(bench.train_options, epochs=epochs)
  )
  trained, said, left = [], io.StringIO(), list(accuracies)

  def train_on(bench, model, spec, recipe, *rest):
    trained.append(recipe.epochs)
    model.set_weights([array + 1 for array in model.get_weights()])

  class Measured:
    def __init__(self):
      self.accuracy = left.pop(0)

  monkeypatch.setattr(plain_training, "train_on", train_on)
  monkeypatch.setattr(beginning, "measure", lambda *_: Measured())
  found = beginning.tried(bench, super_model, full, spec, RECIPE, Progress(said), None)
  return *found, said.getvalue(), trained


@pytest.mark.parametrize(
  ("accuracies", "name"),
  [((0.5, 0.6), "super-network"), ((0.6, 0.5), "full"), ((0.5, 0.5), "full")],
)
def test_the_hold_out_chooses(setting, monkeypatch, accuracies, name):
  model, chosen, said, trained = _tried(setting, monkeypatch, 2.0, accuracies)
  assert chosen == name and trained == [0.25, 0.25]
  assert (
    f"{accuracies[0]:.4f} with the full's, {accuracies[1]:.4f} with the super-network's" in said
  )
  # It is given back untrained: here both have the same kernels.
  expected = slice_network(setting[1], setting[3])
  for one, other in zip(model.trainable_variables, expected.trainable_variables, strict=True):
    np.testing.assert_array_equal(one, other)


def test_what_was_not_trained_is_not_tried(setting, monkeypatch):
  _, chosen, said, trained = _tried(setting, monkeypatch, 0.0, ())
  assert chosen == "full" and trained == [] and "has no others" in said
