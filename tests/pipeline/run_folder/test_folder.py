"""The folder of a run: opening, refusing, and what it says about damaged files."""

import dataclasses
import json
import math
import re

import pytest

from nadv2_tf import backbones
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.run_folder.records import TargetMetrics
from nadv2_tf.pipeline.run_folder.versions import versions
from nadv2_tf.spec.files import partial_beside


@dataclasses.dataclass(frozen=True)
class Options:
  """Stands in for an option group."""

  epochs: float = 2.0
  data: str = "demo"
  noise: float = math.inf
  image_size: int | None = None


@dataclasses.dataclass(frozen=True)
class OtherOptions:
  target: str = "50%"


@pytest.fixture
def place(tmp_path):
  return tmp_path / "runs" / "first"


def test_new_folder_is_made_with_its_settings(place):
  folder = RunFolder(place)
  assert folder.settings() == {}
  assert folder.open(train=Options(), search=OtherOptions()) is folder
  saved = RunFolder(place)
  assert saved.settings()["search"] == {"target": "50%"}
  assert saved.options("train", Options) == Options()
  assert [path.name for path in place.iterdir()] == ["run.json"]


def test_same_settings_go_on_and_new_groups_are_added(place):
  RunFolder(place).open(train=Options())
  (place / "weights").write_text("of a stage")
  RunFolder(place).open(train=Options())
  RunFolder(place).open(search=OtherOptions())
  folder = RunFolder(place)
  assert folder.options("train", Options) == Options()
  assert folder.options("search", OtherOptions) == OtherOptions()
  assert (place / "weights").read_text() == "of a stage"


@pytest.mark.parametrize(
  ("changed", "message"),
  [
    ({"epochs": 3.0}, "it has --epochs=2.0, this one --epochs=3.0"),
    ({"data": "npz:a b"}, "it has --data=demo, this one --data=npz:a b"),
    ({"noise": 0.5}, "it has --noise=inf, this one --noise=0.5"),
    ({"image_size": 32}, "it has --image_size=None, this one --image_size=32"),
  ],
)
def test_other_settings_are_refused_with_both_values(place, changed, message):
  RunFolder(place).open(train=Options())
  before = (place / "run.json").read_bytes()
  with pytest.raises(ValueError, match=re.escape(message)) as error:
    RunFolder(place).open(search=OtherOptions(), train=Options(**changed))
  assert f"--output={place} holds another run" in str(error.value)
  assert (place / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["letter.txt", "partial_results.csv", ".hidden", "found.partial"])
def test_foreign_folder_is_refused_and_left_alone(tmp_path, name):
  (tmp_path / name).write_text("mine")
  with pytest.raises(ValueError, match=f"--output={tmp_path} is not empty and holds no run"):
    RunFolder(tmp_path).open(train=Options())
  assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_command_left_half_goes_and_nothing_else(place):
  folder = RunFolder(place)
  half = [partial_beside(folder.keras("found")), partial_beside(folder.super_weights)]
  half += [folder.path / ".found.json.a1b2.partial", folder.path / "target_50pct" / half[0].name]
  own = [folder.path / "partial_results.csv", folder.path / "target_50pct" / "partial_found.keras"]
  half[-1].parent.mkdir(parents=True)
  (folder.path / ".kept.partial").mkdir()
  for path in half + own:
    path.write_bytes(b"half")
  with folder.locked():
    assert not any(path.exists() for path in half) and all(path.exists() for path in own)


def test_empty_folder_is_taken(tmp_path):
  RunFolder(tmp_path).open(train=Options())
  assert RunFolder(tmp_path).options("train", Options) == Options()


def test_file_instead_of_a_folder_is_refused(tmp_path):
  path = tmp_path / "file"
  path.write_text("mine")
  with pytest.raises(ValueError, match=f"--output={path} is a file; a folder is needed"):
    RunFolder(path).open(train=Options())
  assert path.read_text() == "mine"


def test_metrics_are_merged(place):
  folder = RunFolder(place).open()
  assert folder.metrics().to_json() == {}
  folder.update_metrics(seconds={"train": 1.26}, macs=10, seed=0)
  folder.update_metrics(seconds={"search": 2.0}, macs=20)
  folder.update_metrics(seconds={"train": 3.0}, unit="ms")
  assert RunFolder(place).metrics().to_json() == {
    "macs": 20,
    "seed": 0,
    "unit": "ms",
    "seconds": {"train": 3.0, "search": 2.0},
  }
  folder.update_metrics(seconds={"table": 1.26})
  assert folder.metrics().seconds["table"] == 1.3  # tenths of a second are enough
  assert sorted(path.name for path in place.iterdir()) == ["metrics.json", "run.json"]


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
@pytest.mark.parametrize("content", [b"", b'{"train": {', b"[1]", b"3", b"\xff\xfe", b"null"])
def test_damaged_file_is_named_in_one_line(place, name, content):
  folder = RunFolder(place).open(train=Options())
  (place / name).write_bytes(content)
  read = folder.settings if name == "run.json" else folder.metrics
  with pytest.raises(ValueError, match=re.escape(str(place / name))) as error:
    read()
  assert "\n" not in str(error.value)
  if name == "run.json":
    with pytest.raises(ValueError, match=r"run\.json"):
      folder.open(train=Options())
    assert (place / name).read_bytes() == content


@pytest.mark.parametrize("group", [3, None, "text", ["epochs"]])
def test_damaged_group_is_named(place, group):
  folder = RunFolder(place).open(train=Options())
  (place / "run.json").write_text(json.dumps({"train": group}))
  for use in (lambda: folder.open(train=Options()), lambda: folder.options("train", Options)):
    with pytest.raises(ValueError, match=r"run\.json: 'train' must be an object, got "):
      use()


@pytest.mark.parametrize("change", [{"data": None}, {"colour": 3}])
def test_options_of_another_version_are_named(place, change):
  saved = dataclasses.asdict(Options()) | change
  if change == {"data": None}:
    del saved["data"]
  RunFolder(place).open()
  (place / "run.json").write_text(json.dumps({"train": saved}))
  with pytest.raises(ValueError, match="'train' must be data, epochs, image_size, noise; got"):
    RunFolder(place).options("train", Options)


def test_missing_stage_is_named(place):
  folder = RunFolder(place)
  with pytest.raises(ValueError, match=f"--output={place} holds no run with a train stage"):
    folder.options("train", Options)
  folder.open(search=OtherOptions())
  with pytest.raises(ValueError, match="holds no run with a train stage; run the earlier stage"):
    folder.options("train", Options)


def test_need_names_the_command_that_makes_a_file(place):
  folder = RunFolder(place).open()
  with pytest.raises(ValueError, match=rf"{place}/found\.keras is missing; nadv2-finetune makes"):
    folder.need(folder.keras("found"), "nadv2-finetune")
  folder.keras("found").write_bytes(b"")
  assert folder.need(folder.keras("found"), "nadv2-finetune") == place / "found.keras"


def test_spec_there_and_back(place):
  folder, spec = RunFolder(place).open(), backbones.network("mobilenet_v3_demo")
  folder.write_spec("found", spec)
  assert folder.read_spec("found") == spec


def test_spec_that_cannot_be_read_is_named(place):
  folder = RunFolder(place).open()
  with pytest.raises(ValueError, match=r"found\.json is missing; nadv2-search makes it"):
    folder.read_spec("found")
  for content in (b"{}", b"\xff", b"not JSON"):
    folder.spec("found").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{place}/found\.json: "):
      folder.read_spec("found")


def test_every_file_has_a_place_of_its_own(place):
  folder = RunFolder(place)
  names = "settings_file super_weights last_good_weights training_log latency_table journal"
  names += " metrics_file report pareto"
  paths = [getattr(folder, name) for name in names.split()]
  paths += [folder.spec("full"), folder.keras("full"), folder.tflite("full")]
  assert len(set(paths)) == len(paths) and {path.parent for path in paths} == {place}


def test_the_journals_of_all_rounds(place):
  folder = RunFolder(place).open()
  assert folder.journal_of(1) == folder.journal and folder.journals() == []
  for number in (1, 2, 4):  # a round without the one before it is none of this run
    folder.journal_of(number).write_text("")
  assert [path.name for path in folder.journals()] == ["search.jsonl", "search_2.jsonl"]


def test_the_folders_of_targets_are_told_by_metrics(place):
  folder = RunFolder(place).open()
  assert folder.found_folders() == [folder]
  folder.update_metrics(targets=[TargetMetrics("target_3", 3.0), TargetMetrics("target_2", 2.0)])
  assert [there.path for there in folder.found_folders()] == [
    place / "target_3",
    place / "target_2",
  ]


def test_versions_name_what_a_result_depends_on():
  found = versions()
  assert {"python", "nadv2-tf", "tensorflow", "keras", "ai-edge-litert", "numpy"} <= set(found)
  for package in ("tensorflow", "numpy"):
    assert re.match(r"\d+\.\d+", found[package])
  assert found["commit"] is None or re.fullmatch(r"\S+", found["commit"])
