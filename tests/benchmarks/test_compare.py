"""The comparison of all ways to search: what runs, with which flags, and the table by hand."""

import json
import queue

import numpy as np
import pytest

from nadv2_tf.benchmarks.studies import peers
from nadv2_tf.benchmarks.studies.cells import call
from nadv2_tf.benchmarks.studies.compare import cells
from nadv2_tf.benchmarks.studies.compare.methods import METHODS, OWN
from nadv2_tf.benchmarks.studies.compare.table import draw, rows_of, text_of
from nadv2_tf.options.search import optimizer_names, optimizer_options
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, Head

GIVEN = ("--backbone=mobilenet_v3_demo", "--metric=macs", "--finetune_epochs=1")


def _spec(width):
  return NetworkSpec("tiny", (8, 8, 1), (Conv(width, 3), Head(2)))


@pytest.fixture
def setting(tmp_path):
  cores = queue.SimpleQueue()
  cores.put(0)
  return cells.Setting(tmp_path, GIVEN, ["60%", "40%"], cores)


@pytest.fixture
def called(monkeypatch):
  """Commands that would have run; what each leaves is a run that found its targets."""
  commands = []

  def fake(command, core):
    commands.append(command)
    flags = dict(one.lstrip("-").split("=", 1) for one in command[3:])
    targets = flags["target"].split(",")
    if flags.get("search_optimizer") == "uniform" and "40%" in targets:
      raise RuntimeError("The target of 4 MACs cannot be met: the smallest network has 5.")
    place = RunFolder(flags["output"]).open()
    groups = {"network": {"backbone": flags["backbone"]}, "train": {}, "finetune": {}}
    place.write_json(place.settings_file, groups | place.settings())
    for name, width in (("full", 8), ("found", 4)):
      place.spec(name).write_text(_spec(width).to_json())
      place.keras(name).write_bytes(b"weights")
      place.update_network(name, test_accuracy=0.5, macs=1000, seconds={"finetune": 3.0})
    place.update_metrics(seconds={"full": 2.0, "train": 1.0, "search": 5.0}, samples_scored=9)
    names = [f"target_{target.rstrip('%')}pct" for target in targets]
    if len(targets) > 1:
      place.update_metrics(targets=[{"folder": name, "target": 0.5} for name in names])
      for number, name in enumerate(names):
        one = RunFolder(place.path / name).open()
        one.spec("found").write_text(_spec(4 - number).to_json())
        one.update_network(
          "found", test_accuracy=0.6 - 0.1 * number, macs=1000, seconds={"finetune": 3.0}
        )

  monkeypatch.setattr(cells, "call", fake)
  return commands


def _flags_of(command):
  return dict(one.lstrip("-").split("=", 1) for one in command[3:])


def test_every_search_of_the_commands_is_compared():
  compared = {method.search.get("search_optimizer", "mcd") for method in METHODS.values()}
  assert compared == set(optimizer_names())
  known = set(optimizer_options())
  for method in METHODS.values():
    settings = set(method.search) - {"search_optimizer", "confirm_every"}
    assert settings <= known, method.title
  assert {method.peer for method in METHODS.values()} - {""} == set(peers.ARMS) - {"scratch"}


def test_methods_begin_with_the_seed_s_full_network_and_go_on_with_their_flags(setting, called):
  own = cells.made(setting, OWN, "3")
  assert own["found"]["60%"]["test_accuracy"] == 0.6 and own["found"]["40%"]["macs"] == 1000
  assert (own["samples"], own["search_seconds"], own["super_seconds"]) == (9, 5, 1)
  first = cells.place_of(setting, OWN, "3")
  first.latency_table.write_text("rows")
  for name in ("no_od", "no_cbc", "paper"):
    cells.made(setting, name, "3")
  of_own, no_od, no_cbc, paper = map(_flags_of, called)
  assert of_own["seed"] == "3" and of_own["target"] == "60%,40%" and "epochs" not in of_own
  assert no_od["subnetworks_per_batch"] == "1" and no_od["epochs"] == "1.0"
  assert no_od["full_subnetworks"] == "0"  # else the full widths alone would be trained
  assert no_cbc["backbone"] == "mobilenet_v3_demo_no_cbc"
  assert called[2][2].endswith("studies.without_bypass") and called[1][2].endswith("programs.run")
  assert paper["order"] == "paper" and paper["transfer"] == "direct"
  place = {name: cells.place_of(setting, name, "3") for name in ("no_od", "no_cbc", "paper")}
  assert place["no_od"].settings()["train"] == METHODS["no_od"].train
  assert place["no_cbc"].settings()["network"]["backbone"] == "mobilenet_v3_demo_no_cbc"
  tables = {name: folder.latency_table.exists() for name, folder in place.items()}
  assert tables == {"no_od": True, "no_cbc": False, "paper": False}
  # What is done is not run again.
  assert cells.made(setting, OWN, "3") == own and len(called) == 4


def test_a_target_out_of_a_methods_reach_is_left_out(setting, called):
  cells.made(setting, OWN, "0")
  found = cells.made(setting, "uniform", "0")
  assert list(found["found"]) == ["60%"]
  assert [_flags_of(command)["target"] for command in called[1:]] == ["60%,40%", "60%"]
  cells.made(setting, OWN, "1")
  with pytest.raises(RuntimeError, match="cannot be met"):
    cells.made(setting._replace(targets=["40%"]), "uniform", "1")


def test_peers_get_the_seed_s_run_and_three_times_its_search(setting, called, monkeypatch):
  cells.made(setting, OWN, "0")
  jobs = []

  def fake(function, job, path, core):
    jobs.append((function, job))
    return {
      name: {"test_accuracy": 0.5, "macs": 1, "spec": "{}", "seconds": 2, "search_seconds": 7}
      for name in ("target_60pct", "target_40pct")
    }

  monkeypatch.setattr(cells, "python_call", fake)
  found = cells.made(setting, "netadaptv1", "0")
  assert found["search_seconds"] == 7 and found["samples"] is None
  assert list(found["found"]) == ["60%", "40%"]
  ((function, job),) = jobs
  assert function == "peers:cell" and job["arm"] == "netadaptv1" and job["search_times"] == 3
  assert job["run"] == str(cells.place_of(setting, OWN, "0").path)
  # One that did not reach the smaller target.
  few = {"target_60pct": {"test_accuracy": 0.5, "search_seconds": 7}}
  monkeypatch.setattr(cells, "python_call", lambda *_: few)
  cells.made(setting, OWN, "1")
  assert list(cells.made(setting, "netadaptv1", "1")["found"]) == ["60%"]


def test_networks_are_timed_with_the_full_one_and_again_when_others_are_asked(
  setting, called, monkeypatch
):
  asked = []

  def fake(function, job, path, core):
    asked.append(job["specs"])
    return {"milliseconds": [10.0 - number for number in range(len(job["specs"]))]}

  monkeypatch.setattr(cells, "python_call", fake)
  own, scd = cells.made(setting, OWN, "0"), cells.made(setting, "scd", "0")
  assert cells.add_times(setting, "0", [own]) == 10.0
  assert [own["found"][target]["milliseconds"] for target in ("60%", "40%")] == [9.0, 8.0]
  assert asked[0][0] == _spec(8).to_json() and len(asked[0]) == 3
  cells.add_times(setting, "0", [own])
  assert len(asked) == 1
  cells.add_times(setting, "0", [own, scd])
  assert len(asked[1]) == 5 and scd["found"]["40%"]["milliseconds"] == 6.0


def _cell(accuracies, samples=10):
  found = {
    target: {"test_accuracy": accuracy, "macs": 2e6, "seconds": 3.0, "milliseconds": part}
    for target, accuracy, part in zip(("60%", "40%"), accuracies, (1.2, 0.8), strict=False)
  }
  return {"super_seconds": 5.0, "search_seconds": 4.0, "samples": samples, "found": found}


@pytest.fixture
def rows():
  found = {
    (OWN, "0"): _cell((0.85, 0.78)),
    (OWN, "1"): _cell((0.86, 0.76)),
    ("uniform", "0"): _cell((0.80,)),
    ("uniform", "1"): _cell((0.82,)),
    ("netadaptv1", "0"): _cell((0.84, 0.79), None),
    ("netadaptv1", "1"): _cell((0.84,), None),
  }
  names = (OWN, "uniform", "netadaptv1")
  return rows_of(found, {"0": 2.0, "1": 2.0}, names, ["60%", "40%"])


def test_rows_gather_the_seeds_of_a_method_and_target(rows):
  assert [(row.title, row.target) for row in rows] == [
    (title, target)
    for target in ("60%", "40%")
    for title in ("NetAdaptV2", "uniform scaling", "NetAdaptV1")
  ]
  own, uniform, first = rows[:3]
  assert own.accuracy == [85, 86] and own.against == [0, 0] and own.share == [60, 60]
  assert uniform.against == pytest.approx([-5, -4]) and uniform.samples == [10, 10]
  assert first.samples == [] and first.seconds == [(5, 4, 3), (5, 4, 3)]
  assert rows[4].accuracy == [] and rows[5].against == pytest.approx([1])


def test_the_table_gives_mean_and_range_and_who_did_not_get_there(rows, tmp_path):
  text = list(text_of(rows))
  lines = {line[:23].strip(): line[23:].split() for line in reversed(text)}
  assert lines["NetAdaptV2"][:6] == ["85.50", "(85.00", "to", "86.00)", "+0.00", "60.0%"]
  assert lines["uniform scaling"][4:] == ["-4.50", "60.0%", "2.00", "10", "5", "4", "3"]
  assert lines["NetAdaptV1"][7] == "-"
  assert [line for line in text if "not reached" in line][0].startswith("uniform scaling")
  assert text[-1].endswith("1 of 2 seeds")
  draw(rows, tmp_path / "compare.png")
  assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  rng = np.random.default_rng(0)
  arrays = {}
  for part, count in (("train", 96), ("test", 50)):
    labels = rng.integers(0, 2, count)
    arrays |= {f"y_{part}": labels}
    arrays |= {f"x_{part}": rng.integers(0, 120, (count, 16, 16, 3)).astype(np.uint8)}
  path = tmp_path_factory.mktemp("data") / "images.npz"
  np.savez(path, **arrays)
  return path


def test_a_comparison_runs(images, tmp_path):
  """Two methods, one of them without bypass and without the smaller target, for real."""
  import sys

  command = [sys.executable, "-m", "nadv2_tf.benchmarks.studies.compare", f"--output={tmp_path}"]
  own = ["--seeds=0", "--targets=80%,1%", "--methods=uniform", "--"]
  given = [
    "--backbone=mobilenet_v3_cifar_small", f"--data=npz:{images}", "--image_size=16",
    "--holdout=32", "--metric=macs", "--batch_size=32", "--full_epochs=1", "--finetune_epochs=1",
    "--samples_per_iteration=2", "--initial_reduction=0.5", "--reduction_decay=1",
  ]  # fmt: skip
  call([*command, *own, *given])
  found = {
    name: json.loads((tmp_path / f"cell_{name}_0.json").read_text()) for name in (OWN, "uniform")
  }
  assert list(found[OWN]["found"]) == ["80%", "1%"] and list(found["uniform"]["found"]) == ["80%"]
  full = RunFolder(tmp_path / f"run_{OWN}_0").metrics().networks["full"]
  assert full == RunFolder(tmp_path / "run_uniform_0").metrics().networks["full"]
  for cell in found.values():
    assert cell["found"]["80%"]["macs"] <= 0.8 * full.macs
  times = json.loads((tmp_path / "cell_times_0.json").read_text())
  assert len(times["milliseconds"]) == 4 and min(times["milliseconds"]) > 0
  assert (tmp_path / "compare.png").exists()
