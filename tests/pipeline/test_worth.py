"""The study of worth: a training of a given time on a finished run, cells that stay, its text."""

import json
import queue
import types

import pytest

from nadv2_tf.benchmarks.studies import cells, scratch, worth
from nadv2_tf.pipeline.run_folder.folder import RunFolder


@pytest.mark.parametrize("arm", ["found", "uniform"])
def test_a_network_is_trained_from_scratch_for_about_so_long(
  finished_run, tmp_path, monkeypatch, arm
):
  job = {
    "run": str(finished_run[0]),
    "arm": arm,
    "seed": 3,
    "rate": 3e-3,
    "seconds": 4.0,
    "holdout": arm == "found",
    "result": str(tmp_path / "made.json"),
  }
  monkeypatch.setattr(scratch, "PROBE", 14)
  monkeypatch.setattr(scratch, "START", scratch.time.monotonic())
  (tmp_path / "asked.json").write_text(json.dumps(job))
  before = {path.name for path in finished_run[0].iterdir()}
  scratch.cell(tmp_path / "asked.json")
  made = json.loads((tmp_path / "made.json").read_text())
  assert made["epochs"] > 0 and made["seconds"] > 0 and 0 <= made["test_accuracy"] <= 1
  assert ("holdout_accuracy" in made) == (arm == "found")
  assert {path.name for path in finished_run[0].iterdir()} == before


def test_a_cell_that_is_there_is_not_made_again(tmp_path):
  cores, made = queue.SimpleQueue(), []
  cores.put(7)

  def make(core):
    made.append(core)
    return {"test_accuracy": 0.5}

  for _ in range(2):
    assert cells.cell(tmp_path / "cell.json", make, cores) == {"test_accuracy": 0.5}
  assert made == [7] and cores.get() == 7

  def fail(core):
    raise RuntimeError("ended with 1")

  cores.put(7)
  with pytest.raises(RuntimeError, match="ended with 1"):
    cells.cell(tmp_path / "other.json", fail, cores)
  assert cores.get() == 7 and not (tmp_path / "other.json").exists()


@pytest.fixture
def two_cores(monkeypatch):
  """The study's flags, which other programs of this process have under the same names."""
  monkeypatch.setattr(worth, "FLAGS", types.SimpleNamespace(cores=2))


def test_cells_of_other_flags_are_not_mixed(tmp_path):
  folder = tmp_path / "new"
  for _ in range(2):
    cells.check_same(folder, {"flags": ["--epochs=1"], "cores": 2})
  with pytest.raises(SystemExit, match="holds cells of other flags"):
    cells.check_same(folder, {"flags": ["--epochs=2"], "cores": 2})


def test_the_metric_is_the_last_one_given(tmp_path):
  (tmp_path / "some.flags").write_text("--epochs=1\n--metric=macs\n")
  assert worth._metric(["--epochs=1"]) == "latency_ms"
  assert worth._metric(["--preset=demo"]) == "latency_ms"
  assert worth._metric(["--preset=demo", f"--flagfile={tmp_path}/some.flags"]) == "macs"
  assert worth._metric(["--metric=macs", "--metric=parameters"]) == "parameters"


def test_the_table_is_that_of_the_runs_network(two_cores, monkeypatch, tmp_path):
  called = []
  monkeypatch.setattr(worth, "call", called.append)
  monkeypatch.setattr(worth, "FLAGS", types.SimpleNamespace(cores=2, channels=None))
  (tmp_path / "some.flags").write_text("# such as --backbone=a\n--backbone=b\n--image_size=8\n")
  given = [f"--flagfile={tmp_path}/some.flags", "--image_size=16", "--network=c.keras"]
  assert worth._with_table(tmp_path, given) == [*given, f"--device=table:{tmp_path}/table.csv"]
  assert called[0][3:-1] == ["--backbone=b", "--image_size=16", "--network=c.keras"]


def test_a_run_that_was_cut_off_is_begun_anew(two_cores, monkeypatch, tmp_path):
  """Else T, which the trainings from scratch are given, would lack what it took before."""
  left = tmp_path / "run_50pct_0" / "full.keras"
  left.parent.mkdir()
  left.touch()

  def run(command, core):
    assert not left.exists()
    raise RuntimeError("begun")

  monkeypatch.setattr(worth, "call", run)
  with pytest.raises(RuntimeError, match="begun"):
    worth._run(tmp_path, [], cells.free_cores(1), "50%", "0")


def test_the_shares_of_a_run_are_those_of_its_meter(finished_run):
  found = RunFolder(finished_run[0]).read_spec("found")
  shares = worth._shares(finished_run[0])
  assert shares["resource"] == found.macs() and 0.4 < shares["share"] <= 0.6


def test_the_text_says_by_how_much_the_run_is_better(two_cores):
  results = {}
  for seed, run, uniform, found in (("0", 0.9, 0.86, 0.9), ("1", 0.8, 0.8, 0.81)):
    results["50%", seed, "run"] = {"test_accuracy": run, "seconds": 100.0, "share": 0.5}
    for arm, accuracy in (("uniform", uniform), ("found", found)):
      results["50%", seed, arm] = {"test_accuracy": accuracy, "seconds": 99.0, "epochs": 20.0}
  rates = {("50%", "uniform"): 3e-3, ("50%", "found"): 1e-2}
  text = "\n".join(worth.lines(results, ["50%"], ["0", "1"], rates))
  assert "target 50% (50.0% of the full network's on average)" in text
  assert "nadv2-run, all of it          85.00%   80.00%   90.00%      100" in text
  assert "uniformly scaled, scratch     83.00%   80.00%   86.00%       99    20.0  0.003" in text
  assert "against uniformly scaled, scratch: +2.00 points (+4.00, +0.00)" in text
  assert "against found network, scratch: -0.50 points (+0.00, -1.00)" in text
  of_one = {key: one for key, one in results.items() if key[2] != "uniform"}
  text = "\n".join(worth.lines(of_one, ["50%"], ["0", "1"], rates))
  assert "found network, scratch: -0.50 points" in text and "uniformly" not in text
