"""The trust figure: which samples are trained, once each, and what is said of them."""

import io
import json
import shutil

import pytest

from nadv2_tf.options import FinetuneOptions, TrustOptions
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.report import write_report
from nadv2_tf.pipeline.stages import plain_training, trust, workbench
from nadv2_tf.pipeline.stages import super_network as super_stage
from nadv2_tf.search import journal
from nadv2_tf.search.entries import SampleEntry
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.rank_correlation import kendall_tau


def _samples(*resources):
  return [SampleEntry(1, (number,), 0.5, resource) for number, resource in enumerate(resources)]


def test_samples_are_spread_over_the_range_and_not_over_the_crowd():
  entries = _samples(10, 11, 12, 13, 14, 15, 50, 52, 98, 100)
  chosen = trust.spread([*entries, *entries], 3)
  assert [one.resource for one in chosen] == [10, 52, 100]  # wanted: 10, 55, 100
  # What is nearest to two of them is taken once.
  assert [one.resource for one in trust.spread(_samples(1, 2, 3, 100), 3)] == [1, 3, 100]
  assert [one.resource for one in trust.spread(_samples(5, 4), 3)] == [4, 5]


def test_figures():
  rows = ((0.1, 5.0, 0.3), (0.2, 6.0, 0.5), (0.3, 4.0, 0.6), (0.4, 8.0, 0.4))
  found = trust.figures(rows, TrustOptions(4, 1.5))
  # Of six pairs of scores and accuracies four agree: (1,2) (1,3) (1,4) (2,3); two do not.
  assert found.tau == pytest.approx((4 - 2) / 6)
  # By resource (1,2) (1,4) agree; (1,3) (2,3) (2,4) (3,4) do not.
  assert found.tau_of_resource == pytest.approx((2 - 4) / 6)
  low, high = found.interval
  assert -1 <= low < found.tau < high <= 1
  assert (found.networks, found.epochs) == (4, 1.5)
  assert trust.figures(rows[:2], TrustOptions(4)).tau is None


@pytest.mark.parametrize("samples", [1, 2])
def test_too_few_are_refused(samples):
  with pytest.raises(ValueError, match=f"0 .no trust figure. or at least 3, got {samples}"):
    trust.check_trust(TrustOptions(samples))


@pytest.fixture
def bench(finished_run, tmp_path):
  return workbench.reopen_workbench(shutil.copytree(finished_run[0], tmp_path / "run"))


def _measure(bench, samples):
  options = TrustOptions(samples, 0.5)
  finetune_options = bench.folder.options("finetune", FinetuneOptions)
  progress = Progress(io.StringIO())
  super_model = super_stage.train_super_network(bench, progress)
  trust.measure_trust(bench, super_model, finetune_options, options, progress)


def test_a_run_says_that_nobody_asked(finished_run, bench):
  assert "not asked for (--trust_samples)" in finished_run[1]
  assert "not asked for (--trust_samples)" in bench.folder.report.read_text()
  _measure(bench, 0)
  assert not bench.folder.trust.exists() and bench.folder.metrics().trust is None


def test_samples_of_the_search_are_trained_once(bench, monkeypatch):
  trained, train_on = [], plain_training.train_on

  def counted(bench, model, spec, recipe, title, progress):
    if len(trained) == 2:
      raise KeyboardInterrupt
    trained.append(recipe)
    train_on(bench, model, spec, recipe, title, progress)

  monkeypatch.setattr(plain_training, "train_on", counted)
  with pytest.raises(KeyboardInterrupt):
    _measure(bench, 3)
  assert bench.folder.metrics().trust is None

  def counted_on(bench, model, spec, recipe, title, progress):
    trained.append(recipe)
    train_on(bench, model, spec, recipe, title, progress)

  monkeypatch.setattr(plain_training, "train_on", counted_on)
  _measure(bench, 3)
  _measure(bench, 3)
  assert trained == [Recipe(0.5, 32, "adam", 2e-3, "cosine", weight_decay=0.0, ema=0.5)] * 3

  networks = json.loads(bench.folder.trust.read_text())["networks"]
  entries = journal.read(bench.folder.journal)
  scored = {entry.widths: entry.accuracy for entry in entries if isinstance(entry, SampleEntry)}
  scores = [scored[tuple(one["widths"])] for one in networks]
  accuracies = [one["test_accuracy"] for one in networks]
  found = bench.folder.metrics().trust
  assert found.tau == kendall_tau(scores, accuracies)
  assert found.networks == 3 and found.epochs == 0.5
  line = f"Kendall's tau {found.tau:.2f} (95 %: "
  text = write_report(bench.folder)
  assert line in text and "after 0.5 epochs, over 3 of its samples" in text
  assert line in bench.folder.report.read_text().replace("&#x27;", "'")


def test_damage_is_told(bench):
  bench.folder.trust.write_text('{"networks": [{"widths": [1]}]}')
  with pytest.raises(ValueError, match=r"trust.json is damaged"):
    bench.folder.read_trust()
