"""A batch of timings, and the small network that rides along with it.

Neighbours of a virtual machine slow it without a trace in its own processor time, and a load that
lasts longer than the repeats of a file leaves none in their spread. Only a ratio to something
measured beside it holds: every batch begins and ends with one small fixed network.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import statistics
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing import undisturbed

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.benchmarks.timing.records import Repeat
  from nadv2_tf.options import TimingSettings

#: the network that rides along: small, float32, of operators that every delegate knows; what it is
#: and how it is made stands in tests/benchmarks/test_reference.py
REFERENCE = pathlib.Path(__file__).with_name("reference.tflite")
#: seconds of waiting for a machine whose speed drifted, times the number of the attempt
DRIFT_WAIT = 2.0


def level_of(repeats: Sequence[Repeat]) -> float:
  """Milliseconds that repeats of one file tell together.

  Of undisturbed ones it is the smallest: what is left in them, such as a neighbour on the same
  core of the machine below a virtual one, changes from one moment to the next, and only slows. Of
  others, which a phone's tool prints, it is the median.
  """
  values = undisturbed_values(repeats)
  return min(values) if values else statistics.median(repeat.value_ms for repeat in repeats)


def undisturbed_values(repeats: Sequence[Repeat]) -> list[float]:
  """Milliseconds of the repeats that are of undisturbed runs."""
  return [repeat.value_ms for repeat in repeats if repeat.statistic == undisturbed.STATISTIC]


class Quickest:
  """What the reference network took at its quickest, by device and settings.

  A machine may be slower as a whole for minutes, its own programs or its neighbours on the same
  cores below, and as steady as ever: repeats agree then, and the reference does not drift. That it
  was quicker at another time is all that tells. Of a phone nothing is kept: it becomes warm, which
  its record says.
  """

  def __init__(self) -> None:
    self._known: dict[tuple[object, ...], float] = {}

  def learn(self, key: tuple[object, ...], milliseconds: float) -> None:
    self._known[key] = min(milliseconds, self.of(key))

  def of(self, key: tuple[object, ...]) -> float:
    """Milliseconds; infinite where nothing is known."""
    return self._known.get(key, math.inf)

  def forget(self) -> None:
    self._known.clear()


#: of this process: the stages of a run open their device anew
QUICKEST = Quickest()


def without_demands(settings: TimingSettings) -> TimingSettings:
  """As `settings`, for the network that rides along: the delegate may leave any of it to others.

  It is float32, which an NPU may not take, and was not compiled ahead of time for any.
  """
  return dataclasses.replace(settings, require_full_delegation=False)


@dataclasses.dataclass(frozen=True)
class Ride:
  """What the reference network took at the begin and at the end of every turn of a batch.

  Between two batches the ratio of their `level_ms`, which is that of `level_of`, tells how much the
  machine itself became slower: neighbours of a virtual machine leave no other trace.
  """

  begins_ms: tuple[float, ...]
  ends_ms: tuple[float, ...]
  level_ms: float

  @property
  def drift(self) -> float:
    """How far the turns lie apart, or their ends from their begins, whichever is more."""
    turns = [(begin + end) / 2 for begin, end in zip(self.begins_ms, self.ends_ms, strict=True)]
    edges = (statistics.median(self.begins_ms), statistics.median(self.ends_ms))
    return max(spread_of(turns), spread_of(edges))


@dataclasses.dataclass(frozen=True)
class Taken:
  """All repeats of one file, the `Ride` beside them, None if there was none, and its notes.

  Those are what the device said of itself meanwhile, such as that it was hot.
  """

  repeats: Sequence[Repeat]
  ride: Ride | None
  ride_notes: tuple[str, ...] = ()

  @property
  def notes(self) -> list[str]:
    """What is to be told of the file's repeats, and of the device beside them, each once."""
    own = (note for repeat in self.repeats for note in repeat.notes)
    return list(dict.fromkeys((*own, *self.ride_notes)))

  @property
  def spread(self) -> float:
    return spread_of([repeat.value_ms for repeat in self.repeats])

  @property
  def drift(self) -> float:
    return self.ride.drift if self.ride else 0.0

  def doubt(self, max_spread: float, quickest_ms: float = math.inf) -> str:
    """What speaks against the timing, "" if nothing does.

    One repeat in doubt among others that it agrees with is none.

    Args:
      max_spread: how far things may lie apart.
      quickest_ms: what the reference network took at another time, at its quickest.
    """
    if self.spread > max_spread:
      return f"its repeats lie {self.spread:.1%} apart, more than the {max_spread:.1%} allowed"
    if doubt := self.doubt_of_machine(max_spread, quickest_ms):
      return doubt
    doubts = [repeat.doubt for repeat in self.repeats if repeat.doubt]
    return doubts[0] if 2 * len(doubts) > len(self.repeats) else ""

  def doubt_of_machine(self, max_spread: float, quickest_ms: float = math.inf) -> str:
    """What the reference network says against all that was timed beside it; see `doubt`."""
    if self.drift > max_spread:
      return (
        f"the reference network beside it drifted by {self.drift:.1%}, more than the "
        f"{max_spread:.1%} allowed"
      )
    if self.ride and self.ride.level_ms > (1 + max_spread) * quickest_ms:
      return (
        f"the reference network beside it took {self.ride.level_ms:.4g} ms, and "
        f"{quickest_ms:.4g} ms at another time: all was slower by "
        f"{self.ride.level_ms / quickest_ms - 1:.0%}"
      )
    return ""

  def rank(self, max_spread: float, quickest_ms: float = math.inf) -> tuple[bool, float]:
    """The smaller, the more it is to be trusted; see `doubt`.

    What another job spoils only ever lies further apart.
    """
    return bool(self.doubt(max_spread, quickest_ms)), max(self.spread, self.drift)


def spread_of(values: Sequence[float]) -> float:
  """(largest - smallest) / median."""
  return (max(values) - min(values)) / statistics.median(values)
