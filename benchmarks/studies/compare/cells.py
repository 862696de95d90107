"""One cell of the comparison: a method with a seed, kept on disk when it is done."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

from nadv2_tf.benchmarks.studies import begun, without_bypass
from nadv2_tf.benchmarks.studies.cells import call, cell, python_call
from nadv2_tf.benchmarks.studies.compare.methods import METHODS, OWN
from nadv2_tf.pipeline.run_folder.folder import RunFolder

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.cells import Cores
  from nadv2_tf.benchmarks.studies.compare.methods import Method

#: time of NetAdaptV1's search, over that of the run's
V1_TIMES = 3.0
#: how an error says that no network of a method is so small
UNREACHABLE = "cannot be met"


class Setting(NamedTuple):
  """What all cells share.

  Attributes:
    folder: of the study.
    given: flags of nadv2-run.
    targets: shares of the largest network's latency, the largest first, such as "60%".
    cores: one for each cell at once.
  """

  folder: pathlib.Path
  given: Sequence[str]
  targets: Sequence[str]
  cores: Cores


def made(setting: Setting, name: str, seed: str) -> dict[str, Any]:
  """What came of one method with one seed.

  Returns:
    {"super_seconds", "search_seconds", "samples" (None of a peer), "found": {target:
    {"test_accuracy", "macs", "spec", "seconds"}}}; a target that it does not reach is not there.
  """
  method = METHODS[name]
  path = setting.folder / f"cell_{name}_{seed}.json"
  if method.peer:
    return cell(path, lambda core: _peer(setting, method, seed, path, core), setting.cores)
  return cell(path, lambda core: _run(setting, name, seed, core), setting.cores)


def place_of(setting: Setting, name: str, seed: str) -> RunFolder:
  """The folder of a method's run."""
  return RunFolder(setting.folder / f"run_{name}_{seed}")


def _peer(
  setting: Setting, method: Method, seed: str, path: pathlib.Path, core: int
) -> dict[str, Any]:
  own = place_of(setting, OWN, seed)
  job = {"run": str(own.path), "arm": method.peer, "search_times": V1_TIMES}
  found = python_call("peers:cell", job, path, core)
  places = [one.path.name for one in own.found_folders()]
  return {
    "super_seconds": 0.0,
    "search_seconds": next(iter(found.values()))["search_seconds"],
    "samples": None,
    "found": {
      target: found[place]
      for target, place in zip(setting.targets, places, strict=True)
      if place in found
    },
  }


def _run(setting: Setting, name: str, seed: str, core: int) -> dict[str, Any]:
  """Runs a method, without its smallest target as long as none of its networks is so small."""
  method, targets = METHODS[name], list(setting.targets)
  place = place_of(setting, name, seed)
  program = "without_bypass" if not method.has_bypass else ""
  module = f"benchmarks.studies.{program}" if program else "programs.run"
  while True:
    _begin(setting, name, seed)
    command = [sys.executable, "-m", f"nadv2_tf.{module}", *_flags(setting, method)]
    own = [f"--target={','.join(targets)}", f"--seed={seed}", f"--output={place.path}"]
    try:
      call([*command, *own], core)
      return result_of(place, targets)
    except RuntimeError as error:
      if UNREACHABLE not in str(error) or len(targets) == 1:
        raise
      targets.pop()
      shutil.rmtree(place.path)


def _flags(setting: Setting, method: Method) -> list[str]:
  """Those of a run; the last of a name counts."""
  own = [f"--{name}={value}" for name, value in {**method.search, **method.train}.items()]
  backbone = [] if method.has_bypass else [f"--backbone={_plain(setting)}"]
  transfer = [] if method.has_full else ["--transfer=direct"]
  return [*setting.given, *backbone, *own, *transfer]


def _plain(setting: Setting) -> str:
  """The backbone without bypass."""
  (name,) = [one.partition("=")[2] for one in setting.given if one.startswith("--backbone=")]
  return f"{name}{without_bypass.ENDING}"


def _begin(setting: Setting, name: str, seed: str) -> None:
  """A run's folder with what the seed's run trained and measured, unless it has begun already."""
  method, place = METHODS[name], place_of(setting, name, seed)
  if name == OWN or not method.has_full or place.path.exists():
    return
  first = place_of(setting, OWN, seed)
  changed = {"train": dict(method.train)}
  if not method.has_bypass:
    changed["network"] = {"backbone": _plain(setting)}
  has_table = method.has_bypass and first.latency_table.exists()
  begun.begin(place, first, changed, has_table)


def result_of(place: RunFolder, targets: Sequence[str]) -> dict[str, Any]:
  """What a finished run's folder says, see `made`."""
  metrics, found = place.metrics(), {}
  for target, one in zip(targets, place.found_folders(), strict=True):
    network = one.network_metrics("found")
    found[target] = {
      "test_accuracy": network.test_accuracy,
      "macs": network.macs,
      "spec": one.read_spec("found").to_json(),
      "seconds": network.seconds["finetune"],
    }
  return {
    "super_seconds": metrics.seconds["train"],
    "search_seconds": metrics.seconds["search"],
    "samples": metrics.samples_scored,
    "found": found,
  }


def add_times(setting: Setting, seed: str, cells: Sequence[dict[str, Any]]) -> float:
  """Times all networks of a seed, and its full network, in turns.

  Every found network gets "milliseconds".

  Returns:
    milliseconds of the full network.
  """
  own = place_of(setting, OWN, seed)
  found = [one for item in cells for one in item["found"].values()]
  specs = [own.read_spec("full").to_json(), *(one["spec"] for one in found)]
  path = setting.folder / f"cell_times_{seed}.json"

  def make(core: int) -> dict[str, Any]:
    measured = python_call("peers:times", {"run": str(own.path), "specs": specs}, path, core)
    return measured | {"specs": specs}

  kept = cell(path, make, setting.cores)
  if kept["specs"] != specs:  # other methods were asked for before
    path.unlink()
    kept = cell(path, make, setting.cores)
  full, *rest = kept["milliseconds"]
  for one, milliseconds in zip(found, rest, strict=True):
    one["milliseconds"] = milliseconds
  return full


def full_accuracy(setting: Setting, seed: str) -> float:
  """Test accuracy of the network that the methods begin with."""
  metrics = json.loads(place_of(setting, OWN, seed).metrics_file.read_text(encoding="utf-8"))
  return metrics["networks"]["full"]["test_accuracy"]
