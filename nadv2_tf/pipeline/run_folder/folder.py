"""The folder of a run: its settings, the files of its stages, its metrics."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import pathlib
from typing import TYPE_CHECKING, Any

from nadv2_tf.options.how import flag_that_differs, is_how
from nadv2_tf.pipeline.run_folder.lock import LOCK, locked
from nadv2_tf.pipeline.run_folder.records import (
  NetworkMetrics,
  RunMetrics,
  TrainingReport,
  TrustNetwork,
)
from nadv2_tf.record import plain
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.files import is_partial, read_bounded, remove_partial_files, write_atomically
from nadv2_tf.spec.serialization import LARGEST_TEXT

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence

  from nadv2_tf.training.checkpoints.state import StepReport
  from nadv2_tf.types import AnyPath

#: of run.json and metrics.json, which have some kilobytes
LARGEST_JSON = 64 * 2**20
#: the key of training.json that is no training
SETBACKS = "setbacks"
#: the spec of a network that the user gave
GIVEN = "network"


class RunFolder:
  """Files of one run.

  Args:
    path: the folder.
  """

  def __init__(self, path: AnyPath) -> None:
    self.path = pathlib.Path(path)

  settings_file = property(lambda self: self.path / "run.json")
  super_weights = property(lambda self: self.path / "super.weights.h5")
  last_good_weights = property(lambda self: self.path / "super_last_good.weights.h5")
  training_log = property(lambda self: self.path / "training.json")
  latency_table = property(lambda self: self.path / "latency_table.csv")
  distributions = property(lambda self: self.path / "distributions.json")
  journal = property(lambda self: self.path / "search.jsonl")
  later_journal = property(lambda self: self.path / "search_later_half.jsonl")
  metrics_file = property(lambda self: self.path / "metrics.json")
  trust = property(lambda self: self.path / "trust.json")
  stages = property(lambda self: self.path / "stages.json")
  lineage_file = property(lambda self: self.path / "lineage.json")
  report = property(lambda self: self.path / "report.html")
  pareto = property(lambda self: self.path / "pareto.png")

  def latency_table_of(self, number: int) -> pathlib.Path:
    """The latency table of one of several devices; that of number 0 is `latency_table`."""
    return self.path / f"latency_table_{number + 1}.csv" if number else self.latency_table

  def journal_of(self, number: int) -> pathlib.Path:
    """The journal of one round of a search; the first is `journal`."""
    return self.journal if number == 1 else self.path / f"search_{number}.jsonl"

  def journals(self) -> list[pathlib.Path]:
    """The journals of all rounds so far."""
    numbers = itertools.count(1)
    return list(itertools.takewhile(lambda path: path.exists(), map(self.journal_of, numbers)))

  def half_weights(self, half: str) -> pathlib.Path:
    """The super-network's weights after its training for one half of the blocks."""
    return self.path / f"super_{half.replace(' ', '_')}.weights.h5"

  def found_folders(self) -> list[RunFolder]:
    """A `RunFolder` for each target, the largest first; this one if there is one target alone."""
    return [RunFolder(self.path / one.folder) for one in self.metrics().targets] or [self]

  def checkpoints(self, training: str) -> pathlib.Path:
    """The folder of the checkpoints of one training."""
    return self.path / "checkpoints" / training

  @contextlib.contextmanager
  def locked(self) -> Iterator[None]:
    """Keeps other commands out while the block runs; what a killed one left half is removed."""
    with locked(self.path):
      for place in (self.path, *(path for path in self.path.iterdir() if path.is_dir())):
        remove_partial_files(place)
      yield

  def transferred(self, number: int | str) -> pathlib.Path:
    """The weights of one network of the trajectory while the found network is not finished."""
    return self.path / f"transferred_{number}.weights.h5"

  def spec(self, name: str) -> pathlib.Path:
    return self.path / f"{name}.json"

  def keras(self, name: str) -> pathlib.Path:
    return self.path / f"{name}.keras"

  def tflite(self, name: str) -> pathlib.Path:
    return self.path / f"{name}.tflite"

  def examples(self, name: str) -> pathlib.Path:
    """The picture of what a network makes of test images."""
    return self.path / f"examples_{name}.png"

  def settings(self) -> dict[str, dict[str, Any]]:
    """{group: {option: value}} as saved; {} for a new folder."""
    saved = _read_object(self.settings_file)
    for group, options in saved.items():
      if not isinstance(options, dict):
        raise ValueError(f"{self.settings_file}: {group!r} must be an object, got {options!r}.")
    return saved

  def check_place(self) -> None:
    """Raises ValueError if something else than a folder is there."""
    if self.path.exists() and not self.path.is_dir():
      raise ValueError(f"--output={self.path} is a file; a folder is needed.")

  def check(self, **groups: Any) -> None:
    """Raises ValueError if the folder holds something else, or a run with other settings.

    Args:
      **groups: option dataclasses by group name.
    """
    self.check_place()
    saved = self.settings()
    if not saved and self.path.exists() and any(map(_is_foreign, self.path.iterdir())):
      raise ValueError(f"--output={self.path} is not empty and holds no run; choose another.")
    for group, options in groups.items():
      values = dataclasses.asdict(options)
      if unknown := sorted(set(saved.get(group, {})) - set(values)):
        raise ValueError(
          f"{self.settings_file}: another version made it, with {', '.join(unknown)} in {group!r}."
        )
      for option, value in values.items():
        before = saved.get(group, {}).get(option, value)
        if before != value and not is_how(option):
          option, before, value = flag_that_differs(option, before, value)
          raise ValueError(
            f"--output={self.path} holds another run: it has --{option}={before}, this one "
            f"--{option}={value}. Choose another --output, or go on with its settings."
          )

  def open(self, **groups: Any) -> RunFolder:
    """Creates the folder, or goes on with the run that it holds; checks and saves the groups."""
    self.check(**groups)
    saved = self.settings() | {
      group: dataclasses.asdict(options) for group, options in groups.items()
    }
    self.path.mkdir(parents=True, exist_ok=True)
    self.write_json(self.settings_file, saved)
    return self

  def options(self, group: str, options_type: type[Any]) -> Any:
    """The saved options of a group.

    Raises:
      ValueError: if the folder has none: an earlier stage has not run; or has others than this
        version knows.
    """
    saved = self.settings().get(group)
    if saved is None:
      raise ValueError(
        f"--output={self.path} holds no run with a {group} stage; run the earlier stage first."
      )
    known = {field.name for field in dataclasses.fields(options_type)}
    if set(saved) != known:
      raise ValueError(
        f"{self.settings_file}: the options of {group!r} must be {', '.join(sorted(known))}; "
        f"got {', '.join(sorted(saved)) or 'none'}. Another version may have made it."
      )
    return options_type(**saved)

  def need(self, path: pathlib.Path, made_by: str) -> pathlib.Path:
    """`path`, or ValueError naming the command that makes it."""
    if not path.exists():
      raise ValueError(f"{path} is missing; {made_by} makes it.")
    return path

  def read_spec(self, name: str) -> NetworkSpec:
    path = self.need(self.spec(name), "nadv2-search")
    try:
      return NetworkSpec.from_json(read_bounded(path, LARGEST_TEXT).decode("utf-8"))
    except ValueError as error:
      raise ValueError(f"{path}: {error}") from None

  def write_spec(self, name: str, spec: NetworkSpec) -> None:
    self.path.mkdir(parents=True, exist_ok=True)
    write_atomically(self.spec(name), spec.to_json().encode())

  def training_logs(self) -> dict[str, list[TrainingReport]]:
    """{training: [report, ...]}; {} before any training."""
    logs: dict[str, list[TrainingReport]] = {}
    for title, reports in _read_object(self.training_log).items():
      if title != SETBACKS:
        where = f"{self.training_log}: {title}"
        if not isinstance(reports, list):
          raise ValueError(f"{where} must be a list, got {type(reports).__name__}.")
        logs[title] = [TrainingReport.from_json(report, where) for report in reports]
    return logs

  def log_training(
    self, title: str, reports: Sequence[StepReport], setbacks: Sequence[str] = ()
  ) -> None:
    """Adds the `StepReport`s of one training, and what set it back, to training.json."""
    log = _read_object(self.training_log)
    log |= {title: [dataclasses.asdict(report) for report in reports]}
    if setbacks:
      log[SETBACKS] = log.get(SETBACKS, {}) | {title: list(setbacks)}
    self.write_json(self.training_log, log)

  def metrics(self) -> RunMetrics:
    """What metrics.json says; before there is one, nothing."""
    return RunMetrics.from_json(_read_object(self.metrics_file), str(self.metrics_file))

  def network_metrics(self, name: str) -> NetworkMetrics:
    """What metrics.json says of one trained network; ValueError if it says nothing."""
    networks = self.metrics().networks
    if name not in networks:
      raise ValueError(
        f"{self.metrics_file} says nothing of {name}; remove {self.keras(name)} to train it again."
      )
    return networks[name]

  def update_metrics(self, seconds: Mapping[str, float] | None = None, **values: Any) -> None:
    """Adds to metrics.json: fields of `RunMetrics`, and {stage: seconds}."""
    metrics = self.metrics()
    spent = {stage: round(value, 1) for stage, value in (seconds or {}).items()}
    metrics = metrics.updated(**values, seconds={**metrics.seconds, **spent})
    self.path.mkdir(parents=True, exist_ok=True)
    self.write_json(self.metrics_file, metrics)

  def update_network(self, name: str, **values: Any) -> None:
    """Adds to what metrics.json says of one network: fields of `NetworkMetrics`, and others."""
    networks = self.metrics().networks
    network = networks.get(name, NetworkMetrics()).updated(**values)
    self.update_metrics(networks={**networks, name: network})

  def read_trust(self) -> list[TrustNetwork]:
    """The networks that were trained for the trust figure so far."""
    networks = _read_object(self.trust).get("networks") if self.trust.exists() else []
    try:
      if not isinstance(networks, list):
        raise ValueError(f"networks must be a list, got {type(networks).__name__}.")
      return [TrustNetwork.from_json(one, "networks") for one in networks]
    except ValueError as error:
      raise ValueError(
        f"{self.trust} is damaged: delete it to train its networks again. {error}"
      ) from None

  def read_stages(self) -> dict[str, dict[str, list[float]]]:
    """{stage: {part: [seconds, CPU seconds]}} of the commands so far, as `StageTimes` has them."""
    stages = _read_object(self.stages)
    for parts in stages.values():
      if not isinstance(parts, dict) or not all(map(_is_pair, parts.values())):
        raise ValueError(f"{self.stages} is damaged: delete it, it only says how long things took.")
    return stages

  def lineage(self) -> dict[str, dict[str, Any]]:
    """{file: {what it was made from: digest}}, see `pipeline/run_folder/lineage.py`."""
    found = _read_object(self.lineage_file)
    if not all(isinstance(made_from, dict) for made_from in found.values()):
      raise ValueError(f"{self.lineage_file} must hold objects; delete it to check nothing.")
    return found

  def write_json(self, path: pathlib.Path, value: Any) -> None:
    """Writes JSON values and records."""
    write_atomically(path, (json.dumps(plain(value), indent=2) + "\n").encode())


def _is_pair(both: Any) -> bool:
  return (
    isinstance(both, list) and len(both) == 2 and all(isinstance(one, int | float) for one in both)
  )


def _is_foreign(path: pathlib.Path) -> bool:
  """Whether no killed command can have left the file before it wrote the settings."""
  return path.name != LOCK and not is_partial(path)


def _read_object(path: pathlib.Path) -> dict[str, Any]:
  """The JSON object in a file; {} of one that is not there."""
  if not path.exists():
    return {}
  try:
    value = json.loads(read_bounded(path, LARGEST_JSON).decode("utf-8"))
  except (OSError, ValueError, RecursionError) as error:
    raise ValueError(f"Cannot read {path}: {error}") from None
  if not isinstance(value, dict):
    raise ValueError(f"{path} must hold a JSON object, got {type(value).__name__}.")
  return value
