"""The lines of a journal, each a record of its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nadv2_tf.record import Record


@dataclass(frozen=True)
class Entry(Record):
  """One line; of a kind that this version does not know it is this alone."""

  #: the key "type" of its kind
  TYPE: ClassVar[str] = ""

  def to_json(self) -> dict[str, Any]:
    values = super().to_json()
    return values if self.as_read else {"type": self.TYPE, **values}


@dataclass(frozen=True)
class RacedOn(Record):
  """A `Race`, and how many images each of its parts had."""

  shares: tuple[float, ...]
  kept: float
  finalists: int
  images: tuple[int, ...]


@dataclass(frozen=True)
class SearchEntry(Entry):
  """The first line: what was searched, how, and with what it was scored."""

  TYPE: ClassVar[str] = "search"
  space: str
  input_shape: tuple[int | None, ...]
  start: tuple[int, ...]
  unit: str
  target: float
  optimizer: str
  settings: Mapping[str, Any]
  seed: int
  scored_with: Mapping[str, Any] | None = None
  race: RacedOn | None = None
  # Only where there are any: a search of one target and no limits has the journal it always had.
  larger_targets: tuple[float, ...] = ()
  limits: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class SampleEntry(Entry):
  """A network that was scored, on one part of the images if there is a race."""

  TYPE: ClassVar[str] = "sample"
  iteration: int
  widths: tuple[int, ...]
  accuracy: float
  resource: float
  part: int | None = None


@dataclass(frozen=True)
class MeasurementEntry(Entry):
  """What a meter gave that is not exact; `limit` is the number of a limit's."""

  TYPE: ClassVar[str] = "measurement"
  widths: tuple[int, ...]
  value: float
  unit: str
  limit: int | None = None


@dataclass(frozen=True)
class DescentEntry(Entry):
  """Where the logits of all values of all decisions ended, going downhill for one weight."""

  TYPE: ClassVar[str] = "descent"
  target: float
  weight: float
  logits: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class IterationEntry(Entry):
  """The end of an iteration, with the best network of it."""

  TYPE: ClassVar[str] = "iteration"
  iteration: int
  widths: tuple[int, ...]
  accuracy: float
  resource: float
  samples: int
  samples_scored: int
  #: what the optimizer told beside the samples, see `nadv2_tf.search.problem.Asked`
  notes: Mapping[str, float] | None = None


KINDS: dict[str, type[Entry]] = {
  kind.TYPE: kind
  for kind in (SearchEntry, SampleEntry, MeasurementEntry, DescentEntry, IterationEntry)
}


def read_entry(value: Mapping[str, Any], where: str) -> Entry:
  """The record of a line that was read: a dict whose "type" is a text.

  Raises:
    ValueError: one line that begins with `where`.
  """
  return KINDS.get(value["type"], Entry).from_json(value, where)
