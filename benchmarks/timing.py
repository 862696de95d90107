"""How files are timed, and the record that a timing leaves, the same for every device."""

import abc
import dataclasses
import datetime
import hashlib
import pathlib
import re
import statistics

from nadv2_tf.benchmarks.errors import Unsteady

from nadv2_tf import stopwatch

DELEGATES = ("xnnpack", "none", "gpu", "nnapi")
ON_UNSTEADY = ("mark", "fail")
PRECISIONS = ("float32", "int8")


@dataclasses.dataclass(frozen=True)
class TimingSettings:
  """How a file is timed.

  Attributes:
    num_threads: of the interpreter.
    cpu_mask: hexadecimal mask of the processors that may be used, "f0"; None: all.
    delegate: one of `DELEGATES`; "xnnpack" is what TFLite takes by itself.
    runs, warmup_runs: counted and uncounted runs of one repeat; at least as many are made.
    seconds, warmup_seconds: least time that they fill.
    repeats: how often a file is timed; the files take turns.
    max_spread: repeats that lie further apart, as a share of their median, are taken anew.
    attempts: how often all repeats of a file are taken at most.
    on_unsteady: "mark" the record of a file that stayed unsteady, or "fail".
    cooldown: seconds of rest before each repeat of a file on a phone.
    hot_wait: seconds to wait at most for a hot phone to cool down.
    timeout: seconds after which one repeat of a file is ended, on the device itself.
    precision: "float32" or "int8", of files that are built to be timed.
  """

  num_threads: int = 1
  cpu_mask: str | None = None
  delegate: str = "xnnpack"
  runs: int = 50
  warmup_runs: int = 10
  seconds: float = 0.2
  warmup_seconds: float = 0.1
  repeats: int = 3
  max_spread: float = 0.1
  attempts: int = 3
  on_unsteady: str = "mark"
  cooldown: float = 0.0
  hot_wait: float = 300.0
  timeout: float = 120.0
  precision: str = "float32"

  def __post_init__(self):
    if self.cpu_mask is not None:
      is_number = re.fullmatch(r"(0x)?[0-9a-fA-F]{1,32}", self.cpu_mask)
      if not is_number or int(self.cpu_mask, 16) == 0:
        raise ValueError(f"cpu_mask must be a hexadecimal mask such as f0, got {self.cpu_mask!r}.")
    for name, choices in (
      ("delegate", DELEGATES),
      ("on_unsteady", ON_UNSTEADY),
      ("precision", PRECISIONS),
    ):
      if getattr(self, name) not in choices:
        raise ValueError(
          f"{name} must be one of {', '.join(choices)}; got {getattr(self, name)!r}."
        )


def built_as(settings):
  """How files are built that are timed with `settings`: the builders' arguments besides float32."""
  return {} if settings.precision == "float32" else {"precision": settings.precision}


@dataclasses.dataclass(frozen=True)
class Repeat:
  """One repeat of one file, as measured.

  `statistic` is what `value_ms` is of the runs: "median", or "mean" where the tool's build prints
  nothing better. `conditions` is what a phone said of itself: {"thermal_status": 0, ...}.
  """

  value_ms: float
  p95_ms: float | None
  runs: int
  statistic: str
  conditions: dict = dataclasses.field(default_factory=dict)
  notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Identity:
  """What was timed on, and with what: timings with different identities do not compare."""

  device: str
  abi: str
  android: str | None
  runtime: str

  def __str__(self):
    return f"{self.device}, {self.runtime}"


@dataclasses.dataclass(frozen=True)
class Timing:
  """One file's timing: the median over its repeats, and how far they lie apart.

  `spread` is (largest - smallest) / median of the repeats; `steady` whether that is within the
  `max_spread` asked for. `p95_ms` is None where the tool's build prints no percentiles.
  `conditions` has those of every repeat, in order.
  """

  median_ms: float
  p95_ms: float | None
  spread: float
  steady: bool
  statistic: str
  repeats_ms: tuple[float, ...]
  repeats: int
  runs: int
  warmup_runs: int
  num_threads: int
  cpu_mask: str | None
  delegate: str
  device: str
  abi: str
  android: str | None
  runtime: str
  conditions: tuple[dict, ...]
  notes: tuple[str, ...]
  time: str
  file_sha256: str


def spread_of(values):
  """(largest - smallest) / median."""
  return (max(values) - min(values)) / statistics.median(values)


def sha256(path):
  return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Device(abc.ABC):
  """Something that times TFLite files. A context manager: leaving it puts all back as it was."""

  identity: Identity
  #: least seconds of one repeat: a phone's clock needs a while to rise
  settling_seconds = 0.1

  @abc.abstractmethod
  def measure(self, paths, settings):
    """All repeats of all files, once: for each file a list of `Repeat`."""

  def __enter__(self):
    return self

  def __exit__(self, *_):
    return None

  def time_files(self, paths, settings=None):
    """Times files, and again those whose repeats lie too far apart; `Timing`s in their order.

    Args:
      paths: the files.
      settings: `TimingSettings`.

    Raises:
      TimingError: if a file cannot be timed, or stays unsteady and `on_unsteady` is "fail".
    """
    with stopwatch.part("timing"):
      return self._timed(paths, settings or TimingSettings())

  def _timed(self, paths, settings):
    paths = [pathlib.Path(path) for path in paths]
    measured = list(self.measure(paths, settings))
    attempts = [1] * len(paths)
    for _ in range(settings.attempts - 1):
      again = [i for i, repeats in enumerate(measured) if _spread(repeats) > settings.max_spread]
      if not again:
        break
      fresh = self.measure([paths[index] for index in again], settings)
      for index, repeats in zip(again, fresh, strict=True):
        attempts[index] += 1
        # The steadiest attempt counts: what another job spoils only ever lies further apart.
        measured[index] = min(measured[index], repeats, key=_spread)
    return [
      self._timing(path, repeats, settings, tries)
      for path, repeats, tries in zip(paths, measured, attempts, strict=True)
    ]

  def _timing(self, path, repeats, settings, attempts):
    spread = _spread(repeats)
    steady = spread <= settings.max_spread
    notes = list(dict.fromkeys(note for repeat in repeats for note in repeat.notes))
    if attempts > 1:
      notes.append(f"taken {attempts} times, because the repeats lay too far apart")
    if not steady and settings.on_unsteady == "fail":
      raise Unsteady(
        f"The repeats of {path} lie {spread:.1%} apart, more than the {settings.max_spread:.1%} "
        f"allowed, in the best of {attempts} attempts: something else keeps {self.identity.device} "
        "busy."
      )
    p95 = [repeat.p95_ms for repeat in repeats]
    return Timing(
      median_ms=statistics.median(repeat.value_ms for repeat in repeats),
      p95_ms=None if None in p95 else statistics.median(p95),
      spread=spread,
      steady=steady,
      statistic=repeats[0].statistic,
      repeats_ms=tuple(repeat.value_ms for repeat in repeats),
      repeats=len(repeats),
      runs=min(repeat.runs for repeat in repeats),
      warmup_runs=settings.warmup_runs,
      num_threads=settings.num_threads,
      cpu_mask=settings.cpu_mask,
      delegate=settings.delegate,
      **dataclasses.asdict(self.identity),
      conditions=tuple(repeat.conditions for repeat in repeats),
      notes=tuple(notes),
      time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
      file_sha256=sha256(path),
    )


def _spread(repeats):
  return spread_of([repeat.value_ms for repeat in repeats])
