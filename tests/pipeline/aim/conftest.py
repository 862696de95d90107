"""A search in rounds on a small space and a device that is plugged in."""

import io
import types
from unittest import mock

import pytest
from two_convolutions import SPACE, Quality, Table

from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.stages import search as search_stage
from nadv2_tf.search import Problem
from nadv2_tf.tasks.classification import Classification


@pytest.fixture
def quality(monkeypatch):
  made = Quality()
  monkeypatch.setattr(
    "nadv2_tf.training.scoring.shared_weights.SharedWeightsEvaluator",
    lambda *unused, **unused_too: made,
  )
  return made


@pytest.fixture
def start(folder, quality, options):
  """Function (targets, meter=Table(), **changes) -> the landings and the printed lines."""

  def run(*targets, meter=None, **changes):
    given = options(**{"tighten": 2, "confirm_every": 2, "initial_reduction": 0.1} | changes)
    *larger, target = sorted(targets, reverse=True)
    problem = Problem(SPACE, SPACE.largest(), meter or Table(), target, tuple(larger))
    search_stage._name_folders(folder, [(one, f"{one:g}") for one in sorted(targets)[::-1]])
    bench = types.SimpleNamespace(
      strategy=None,
      folder=folder,
      space=SPACE,
      task=Classification("demo", 4, 1, 0),
      datasets=mock.MagicMock(),
      seed=0,
    )
    stream = io.StringIO()
    landings = search_stage.search(bench, None, problem, given, Progress(stream))
    return landings, stream.getvalue().splitlines()

  return run
