"""A whole run for two targets, small: a network, its files and its report for each of them."""

import json
import types
from unittest import mock

import keras
import pytest

from nadv2_tf.options import RunOptions
from nadv2_tf.pipeline import order
from nadv2_tf.pipeline.report import overview, write_report
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages.search import Landing
from nadv2_tf.resources import MacsMeter, SizeMeter
from nadv2_tf.search import Problem

NAMES = ("target_70pct", "target_40pct")
LIMIT = "size_bytes<=70%"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, trained, run_small):
  folder = trained(tmp_path_factory.mktemp("runs") / "run")
  printed = run_small(folder, target="40%,70%", limit=LIMIT, references=False)
  return RunFolder(folder), printed


def test_each_target_has_its_files(finished):
  folder, _ = finished
  assert tuple(place.path.name for place in folder.found_folders()) == NAMES
  for place in folder.found_folders():
    files = {path.name for path in place.path.iterdir()}
    networks = {"found.json", "found.keras", "found.tflite"}
    assert files == networks | {
      "lineage.json",
      "metrics.json",
      "report.html",
      "pareto.png",
      "training.json",
    }
    keras.saving.load_model(place.keras("found"))
  assert not folder.keras("found").exists() and not folder.spec("found").exists()
  assert [path.name for path in folder.journals()] == ["search.jsonl"]


def test_each_network_meets_its_target_and_the_limit(finished, short_mobilenet):
  folder, _ = finished
  full = short_mobilenet.largest()
  for place, share in zip(folder.found_folders(), (0.7, 0.4), strict=True):
    spec, metrics = place.read_spec("found"), place.metrics()
    assert spec.macs() <= metrics.metric.target == pytest.approx(share * full.macs())
    assert metrics.metric.predicted == metrics.metric.measured == spec.macs()
    assert metrics.macs == metrics.networks["found"].macs == spec.macs()
    assert SizeMeter().measure(spec) <= 0.7 * SizeMeter().measure(full)
    assert metrics.networks["found"].latency_ms > 0
  assert list(overview(folder).networks) == ["full", *(f"{name}/found" for name in NAMES)]


def test_the_run_says_in_short_what_was_found(finished):
  folder, _ = finished
  for entry, place in zip(folder.metrics().targets, folder.found_folders(), strict=True):
    found = place.metrics().networks["found"]
    assert entry.folder == place.path.name
    assert entry.as_read["test_accuracy"] == found.test_accuracy
    assert entry.as_read["latency_ms"] == found.latency_ms
    assert entry.predicted == place.read_spec("found").macs()


def test_the_closing_table_has_a_row_for_each_target(finished):
  folder, printed = finished
  lines = printed.splitlines()
  rows = [line for line in lines if line.startswith("found network")]
  titles = [row[:27].strip() for row in rows]
  assert titles == [f"found network, target {n}%" for n in (70, 40)]
  assert sum(line.startswith("macs: target ") for line in lines) == 2
  limits = [line for line in lines if line.endswith(" bytes") and "limit" in line]
  assert len(limits) == 1


def test_the_reports_show_all_targets_and_each(finished):
  folder, _ = finished
  page = folder.report.read_text()
  for share in (70, 40):
    assert f"The found network, target {share}%, beside the initial one" in page
    assert f"<td>found network, target {share}%</td>" in page
  for place in folder.found_folders():
    own = place.report.read_text()
    assert own.count("beside the initial one") == 1 and "target 70%" not in own
  pictures = {place.pareto.read_bytes() for place in [folder, *folder.found_folders()]}
  assert len(pictures) == 3


def test_the_same_run_goes_on_and_does_nothing_twice(finished, run_small):
  folder, printed = finished
  kept = [path for path in folder.path.rglob("*") if path.suffix in (".keras", ".h5", ".jsonl")]
  kept += folder.path.rglob("found.json")
  before = {path: path.read_bytes() for path in kept}
  assert len(before) == 2 + 2 + 1 + 2
  again = run_small(folder.path, target="40%,70%", limit=LIMIT, references=False)
  assert {path: path.read_bytes() for path in kept} == before
  assert again.count("trained network in") == 3 and "fine-tune" not in again
  with pytest.raises(ValueError, match="it has --target=40%,70%, this one --target=40%"):
    run_small(folder.path, target="40%", limit=LIMIT)


def test_references_are_a_uniform_network_for_each_target_and_the_full_one(
  finished, options, short_mobilenet
):
  (folder, _), space = finished, short_mobilenet
  landings = [Landing(place, place.read_spec("found")) for place in folder.found_folders()]
  bench = types.SimpleNamespace(space=space, folder=folder)
  problem = Problem(space, space.largest(), MacsMeter(), 1.0)
  given = RunOptions(search=options("macs"), references=True)
  work = order.Work(bench, given, mock.Mock())
  work.problem, work.landings = problem, landings
  order._look_for_references(work)
  networks = work.networks
  titles = [(place.path.name, name) for place, name, _ in networks]
  each = [(name, kind) for name in NAMES for kind in ("found", "uniform")]
  assert titles == [*each, (folder.path.name, "full")]
  for found, uniform in ((networks[0], networks[1]), (networks[2], networks[3])):
    assert 0.9 * found[2].macs() < uniform[2].macs() <= found[2].macs()
  assert networks[-1][2] == space.largest()


def test_a_targets_folder_is_no_run(finished):
  (place, *_) = finished[0].found_folders()
  with pytest.raises(ValueError, match="holds no run.json; a report is made of a whole run's"):
    write_report(RunFolder(place.path))


def test_a_run_by_a_meter_of_ones_own(tmp_path, trained, run_small):
  """Its unit is in table and page; the meter stands for any that the user brings."""
  folder = RunFolder(trained(tmp_path / "run"))
  printed = run_small(
    folder.path,
    metric="nadv2_tf.resources:SizeMeter",
    target="50%",
    search_optimizer="random",
    samples=3,
    references=False,
  )
  assert "SizeMeter" in printed and " bytes" in printed
  metrics = json.loads(folder.metrics_file.read_text())
  found = metrics["networks"]["found"]
  assert metrics["metric"]["measured"] == found["resource"] == found["size_bytes"]
  assert metrics["samples_scored"] == 3
  assert "nadv2_tf.resources:SizeMeter" in folder.report.read_text()
