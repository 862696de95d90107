"""What stands in the files of a run's folder, metrics.json above all, as records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nadv2_tf.record import Record


@dataclass(frozen=True)
class MeasuredRange(Record):
  """What the networks that tell a space's range cost; see `aim/ranges.py`.

  Attributes:
    measured_with: what must be the same for the values to hold.
    values: {name of the network: resource}.
    doubts: {name of a network: what speaks against its measurement}, if something does.
  """

  measured_with: Mapping[str, Any]
  values: Mapping[str, float]
  doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetMetrics(Record):
  """One of several targets: its folder in the run's, and its figures in short."""

  folder: str
  target: float
  predicted: float | None = None
  measured: float | None = None


@dataclass(frozen=True)
class SearchedMetric(Record):
  """The resource that was searched for, of the network that was found for one target.

  Attributes:
    predicted: by the meter of the search.
    measured: on the device itself if it has one, None where nothing is.
    share: that the target is of the largest network's latency, where it is one that was measured
      in turns with the found network; `target` is of that session.
  """

  name: str
  unit: str
  target: float
  predicted: float
  measured: float | None
  share: float | None = None


@dataclass(frozen=True)
class ConfirmedNetwork(Record):
  """A network of the search's path as predicted and as measured.

  Attributes:
    iteration: its number, or "found", or "FOLDER/found" with several targets.
    doubt: what speaks against the measurement, "" if nothing does.
  """

  iteration: int | str
  predicted: float
  measured: float
  doubt: str = ""


@dataclass(frozen=True)
class RoundMetrics(Record):
  """What one round of the search was for and found, for one target.

  Attributes:
    target: that this round searched for, by the table's word.
    holdout_accuracy: of the found network in the search, None if the start met the target.
    widths: of the found network.
    largest: what the largest network took in the same session, where the target is a share of it.
    scale: measured over predicted resource of networks near the found one.
    doubt, largest_doubt: what speaks against the measurement of the found and of the largest
      network, "" if nothing does.
  """

  round: int
  journal: str | None
  target: float
  predicted: float
  holdout_accuracy: float | None
  widths: tuple[int, ...] | None
  measured: float
  largest: float | None = None
  scale: float | None = None
  doubt: str = ""
  largest_doubt: str = ""


@dataclass(frozen=True)
class ExportMetrics(Record):
  """An exported file beside its Keras network; the gate's other figures are in `as_read`.

  Attributes:
    top_1_agreement: None if outputs are no classes.
    accuracy_lost: points on hold-out images, None without targets.
    fallback: {operator: how many} that XNNPACK does not take.
  """

  largest_difference: float
  top_1_agreement: float | None
  accuracy_lost: float | None
  fallback: Mapping[str, int]
  size_bytes: int
  peak_memory_bytes: int
  test_accuracy: float


@dataclass(frozen=True)
class DeviceMetrics(Record):
  """A network on one of several devices.

  Attributes:
    latency_ms: as measured.
    limit_ms: what a found network may take there; None where nothing limits it.
    timing: a `Timing` of its file.
  """

  latency_ms: float
  limit_ms: float | None
  timing: Mapping[str, Any]


@dataclass(frozen=True)
class NetworkMetrics(Record):
  """A trained network: what was measured so far.

  Attributes:
    holdout_accuracy_before: before its training, if it began with trained weights.
    begins_with: "full" or "super-network", whose weights these were.
    measures: {title: value} of the task's further measures.
    seconds: {stage: how long it took} of what was done for this network alone.
    exports: {quantization: its file}.
    timing: a `Timing` of its file.
    outputs: an `OutputCheck` of its file, and whether it `agrees`; or why it is `unchecked`.
  """

  holdout_accuracy_before: float | None = None
  begins_with: str | None = None
  holdout_accuracy: float | None = None
  test_accuracy: float | None = None
  measures: Mapping[str, float] = field(default_factory=dict)
  macs: int | None = None
  parameters: int | None = None
  seconds: Mapping[str, float] = field(default_factory=dict)
  test_accuracy_tflite: float | None = None
  tflite_bytes: int | None = None
  exports: Mapping[str, ExportMetrics] = field(default_factory=dict)
  timing: Mapping[str, Any] | None = None
  outputs: Mapping[str, Any] | None = None
  latency_ms: float | None = None
  #: on the other ones of several devices, by their names
  devices: Mapping[str, DeviceMetrics] = field(default_factory=dict)
  #: by a meter of the user's own
  resource: float | None = None

  def figure(self, name: str) -> float | None:
    """A count, the latency, or what a meter of the user's own gave; None if nobody measured it."""
    value = self.to_json().get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else None


@dataclass(frozen=True)
class TrustMetrics(Record):
  """Do scores rank networks as training ranks them? None where there are too few networks.

  Attributes:
    networks: how many were trained, for how many `epochs`.
    tau: Kendall's, of scores and accuracies, with its 95 % `interval`.
    tau_of_resource: what the size of the networks tells alone.
  """

  networks: int
  epochs: float
  tau: float | None
  interval: tuple[float, float] | None
  tau_of_resource: float | None


@dataclass(frozen=True)
class TrustNetwork(Record):
  """A network of trust.json: what it is, what it was trained by and from, what came of it."""

  widths: tuple[int, ...]
  recipe: str
  begins_with: int | None
  test_accuracy: float
  seconds: float


@dataclass(frozen=True)
class TrainingReport(Record):
  """A point of a training in training.json: a `StepReport`."""

  step: int
  steps: int
  images: int
  loss: float
  accuracy: float


@dataclass(frozen=True)
class RunMetrics(Record):
  """metrics.json: of a run, or of one of its several targets.

  Attributes:
    quality: the task's word for accuracy.
    targets: where there are several, their folders.
    samples_scored, iterations: of all rounds.
    search_notes: figures that the optimizer told of itself, the last of each name.
    found_in_round: the round whose network was kept.
    table_doubt: why the latency table (or those of several devices, or the predictor) is not to be
      trusted, "" if it is.
    uniform_doubt: what speaks against the comparison by which the uniformly scaled network was
      found to be as fast, "" if nothing does.
    networks: {name: its figures}.
    test_accuracy, ... latency_ms: those of the found network once more.
  """

  seed: int | None = None
  versions: Mapping[str, str | None] = field(default_factory=dict)
  quality: str = "accuracy"
  targets: tuple[TargetMetrics, ...] = ()
  seconds: Mapping[str, float] = field(default_factory=dict)
  networks: Mapping[str, NetworkMetrics] = field(default_factory=dict)
  confirmed: tuple[ConfirmedNetwork, ...] = ()
  rounds: tuple[RoundMetrics, ...] = ()
  samples_scored: int = 0
  iterations: int = 0
  search_notes: Mapping[str, float] = field(default_factory=dict)
  holdout_accuracy_of_found_in_search: float | None = None
  holdout_accuracy_of_found_when_checked: float | None = None
  found_in_round: int = 1
  metric: SearchedMetric | None = None
  trust: TrustMetrics | None = None
  table_doubt: str = ""
  uniform_doubt: str = ""
  test_accuracy: float | None = None
  test_accuracy_tflite: float | None = None
  macs: int | None = None
  parameters: int | None = None
  latency_ms: float | None = None

  def range_of(self, place: str) -> MeasuredRange | None:
    """What was measured of the space: of the run's metric, or of a limit's."""
    value = self.as_read.get(place)
    return None if value is None else MeasuredRange.from_json(value, f"metrics.json: {place}")
