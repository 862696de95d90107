"""A search in halves, for each of which the super-network is trained: whole, killed, refused."""

import io
import json
import shutil

import pytest

from nadv2_tf.models import super_network
from nadv2_tf.pipeline import run
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import halves
from nadv2_tf.search.halves import EARLIER, LATER
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.checkpoints.state import TrainingState
from nadv2_tf.training.digests import weights_checksum
from nadv2_tf.training.network_files import load_weights
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

#: 6 steps of 32 images, and at most 12 networks, for each half
SEARCH = {
  "search_optimizer": "hurricane", "half_epochs": 0.75, "target": "60%",
  "population": 3, "parents": 2, "mutations": 1, "crossovers": 1, "generations": 3,
}  # fmt: skip


def _search(folder, options, **changes):
  stream = io.StringIO()
  run.search(folder, options("macs", **SEARCH | changes), "one", Progress(stream))
  return stream.getvalue()


class Watched:
  """Of the trainings of halves: (checksum of the weights before, after, their sampler)."""

  def __init__(self, monkeypatch):
    self.trained, samplers = [], []
    super_loop, train_with = halves.super_loop, halves.train_with

    def looped(bench, model, recipe, sampler, teacher):
      samplers.append(sampler)
      return super_loop(bench, model, recipe, sampler, teacher)

    def watching(bench, model, *rest):
      before = weights_checksum(model)
      seconds = train_with(bench, model, *rest)
      self.trained.append((before, weights_checksum(model), samplers[-1]))
      return seconds

    monkeypatch.setattr(halves, "super_loop", looped)
    monkeypatch.setattr(halves, "train_with", watching)


@pytest.fixture(scope="module")
def searched(tmp_path_factory, trained, search_options, short_space):
  """(folder of a search in halves, what it printed, what its trainings began and ended with)."""
  folder = trained(tmp_path_factory.mktemp("halves") / "run")
  with pytest.MonkeyPatch.context() as monkeypatch:
    watched = Watched(monkeypatch)
    printed = _search(folder, search_options)
  return RunFolder(folder), printed, watched.trained


@pytest.fixture(scope="module")
def short_space():
  import short_backbone

  with short_backbone.registered():
    yield short_backbone.space()


def _checksum(path, space):
  model = super_network(space)
  load_weights(model, path)
  return weights_checksum(model)


def test_the_second_training_begins_with_what_the_first_ended_with(searched, short_space):
  folder, printed, ((before, between, later), (begins, after, earlier)) = searched
  assert before == _checksum(folder.super_weights, short_space)
  assert begins == between == _checksum(folder.half_weights(LATER), short_space) != before
  assert after == _checksum(folder.half_weights(EARLIER), short_space) != between
  model = super_network(short_space)
  halves.load_last(folder, model)
  assert weights_checksum(model) == after
  assert "super-network, later half: " in printed and "super-network, earlier half: " in printed
  logs = folder.training_logs()
  assert [logs[f"super-network, {half}"][-1].step for half in (LATER, EARLIER)] == [6, 6]
  assert folder.metrics().seconds.keys() >= {
    "train later half", "search later half", "train earlier half", "search",
  }  # fmt: skip
  assert not (folder.path / "checkpoints").exists() or not any(
    (folder.path / "checkpoints").rglob("*.npz")
  )
  # Each draws what the other has as it is.
  free = [[len(values) > 1 for values in sampler.values] for sampler in (later, earlier)]
  assert all(one != other for one, other in zip(*free, strict=True))


def _journal(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_half_is_searched_with_its_own_weights(searched, short_space):
  folder, _, ((_, between, later), (_, after, earlier)) = searched
  journals = [_journal(path) for path in (folder.later_journal, folder.journal)]
  for entries, weights, sampler in zip(journals, (between, after), (later, earlier), strict=True):
    assert entries[0]["scored_with"]["weights"] == weights
    for entry in entries[1:]:
      assert all(
        value in values for value, values in zip(entry["widths"], sampler.values, strict=True)
      )
  assert journals[1][1]["widths"] == journals[0][-1]["widths"]  # what it ended with, scored anew
  metrics = folder.metrics()
  counted = sum(len({tuple(e["widths"]) for e in of if e["type"] == "sample"}) for of in journals)
  assert metrics.samples_scored == counted
  assert metrics.iterations == sum(e["type"] == "iteration" for of in journals for e in of)
  assert metrics.metric.predicted <= metrics.metric.target
  found = short_space.encode(folder.read_spec("found"))
  assert list(found) in [entry["widths"] for entry in journals[1][1:]]


class Killed(BaseException):
  """Stands for a kill: nothing between where it is raised and the test may hold it up."""


class Killer:
  """Ends a command before its `count`-th call of something."""

  def __init__(self, monkeypatch):
    self._left = {}
    for name, owner, attribute in (
      ("step", TrainingState, "add"),
      ("weights", halves, "save_atomically"),
      ("score", SharedWeightsEvaluator, "accuracy"),
    ):
      monkeypatch.setattr(owner, attribute, self._counting(name, getattr(owner, attribute)))

  def _counting(self, name, function):
    def counting(*arguments, **more):
      self._left[name] = self._left.get(name, 0) - 1
      if not self._left[name]:
        raise Killed
      return function(*arguments, **more)

    return counting

  def after(self, name, count):
    self._left = {name: count}


def test_killed_anywhere_it_gives_the_same(searched, trained, tmp_path, options, monkeypatch):
  monkeypatch.setattr(Checkpoints, "is_due", lambda self, step: step % 2 == 0)
  folder, killer = RunFolder(trained(tmp_path / "run")), Killer(monkeypatch)
  for name, count, there in (
    ("weights", 1, None),  # the later half is trained, and its file not there
    ("score", 3, LATER),  # within its search
    ("step", 4, LATER),  # of the earlier half; with a checkpoint of step 2
  ):
    killer.after(name, count)
    with pytest.raises(Killed):
      _search(folder.path, options)
    done = [half for half in (LATER, EARLIER) if folder.half_weights(half).exists()]
    assert done[-1:] == ([there] if there else []), name
    assert not folder.spec("found").exists()
  killer.after("never", 1)
  printed = _search(folder.path, options)
  assert "later half: weights in" in printed and "earlier half: weights in" not in printed
  other = searched[0]
  for path in ("search_later_half.jsonl", "search.jsonl", "found.json"):
    assert (folder.path / path).read_bytes() == (other.path / path).read_bytes(), path
  assert folder.metrics().samples_scored == other.metrics().samples_scored
  assert folder.lineage() == other.lineage()


def test_weights_that_began_with_others_are_refused(searched, tmp_path, options):
  folder = RunFolder(shutil.copytree(searched[0].path, tmp_path / "run"))
  shutil.copyfile(folder.half_weights(EARLIER), folder.super_weights)
  with pytest.raises(
    ValueError, match="super_later_half.* was made from a super-network other than"
  ) as error:
    _search(folder.path, options)
  assert "\n" not in str(error.value)


def test_epochs_without_a_step_are_refused(searched, trained, tmp_path, options):
  with pytest.raises(ValueError, match="--half_epochs=0.01 is no step with 256 training images"):
    _search(trained(tmp_path / "run"), options, half_epochs=0.01)


def test_a_target_that_the_largest_network_meets_trains_nothing(trained, tmp_path, options):
  folder = RunFolder(trained(tmp_path / "run"))
  _search(folder.path, options, target="100%")
  assert not list(folder.path.glob("super_*"))
  assert folder.read_spec("found").macs() == folder.metrics().metric.target
