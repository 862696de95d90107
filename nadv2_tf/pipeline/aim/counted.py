"""What can be told of a spec alone: a registered count, or a meter of the user's own."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.aim.device import check_timing
from nadv2_tf.pipeline.aim.ranges import RANGE, costs_by, keep_range, known_range, range_of
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.custom import load_meter
from nadv2_tf.search.asked_once import AskedOnce
from nadv2_tf.search.uniform import scaled_to

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace


def meter_of(name: str, space: SearchSpace) -> ResourceMeter:
  """The meter of a registered count, or of the user's own class.

  Raises:
    ValueError: if `name` names no meter.
  """
  return COUNTS[name]() if name in COUNTS else _asked_once(load_meter(name), space)


def _asked_once(meter: ResourceMeter, space: SearchSpace) -> ResourceMeter:
  if meter.is_exact:
    return meter
  return AskedOnce(meter.unit, space, lambda _, spec: meter.measure(spec))


def measured_range(
  name: str,
  meter: ResourceMeter,
  space: SearchSpace,
  folder: RunFolder | None,
  place: str = RANGE,
) -> dict[str, float]:
  """What a meter says of the space: {name: resource}; asked once for a folder if it is not exact.

  Args:
    name: of the meter.
    meter: of `meter_of`; it knows the values then.
    space: the `SearchSpace`.
    folder: the `RunFolder`; None keeps nothing.
    place: where metrics.json has it.
  """
  if not isinstance(meter, AskedOnce) or folder is None:
    return costs_by(meter, space)
  header = _header(name, space)
  values = known_range(folder, header, place)
  if values is None:
    values = costs_by(meter, space)
    keep_range(folder, header, values, place)
  _learn(meter, space, values)
  return values


def _header(name: str, space: SearchSpace) -> dict[str, Any]:
  shape = list(space.network.input_shape)
  return {"metric": name, "space": space.network.name, "input_shape": shape}


def _learn(meter: AskedOnce, space: SearchSpace, values: Mapping[str, float]) -> None:
  meter.known |= {space.encode(spec): values[name] for name, spec in range_of(space).items()}


def scaled_by(problem: Problem, found: NetworkSpec) -> NetworkSpec:
  """The widest uniformly scaled network that costs what `found` does, by the problem's meter."""
  measure = problem.meter.measure
  return scaled_to(problem.space, measure, measure(found))


@dataclasses.dataclass(frozen=True)
class Counted:
  """A registered count is the `Metric`.

  Attributes:
    name: of the count.
    options: `SearchOptions`, for the timing at the end.
    has_device: whether there is a device for it.
  """

  name: str
  options: SearchOptions
  has_device: bool
  is_timed = False

  @property
  def unit(self) -> str:
    return self.count.unit

  @functools.cached_property
  def count(self) -> ResourceMeter:
    return COUNTS[self.name]()

  def check(self) -> None:
    check_timing(self.options, self.has_device)

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    return costs_by(self.count, space)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    return False

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    return self.count

  def confirmation(self, folder: RunFolder, problem: Problem, progress: Progress) -> None:
    return None

  def measured(self, attempt: Attempt) -> float:
    return attempt.found.resource

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    return {}

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    return scaled_by(problem, found), ""


@dataclasses.dataclass(frozen=True)
class OwnMeter:
  """A meter of the user's own is the `Metric`; its class is made when something is asked of it.

  Attributes:
    name: "package.module:Class".
    options: `SearchOptions`, for the timing at the end.
    has_device: whether there is a device for it.
  """

  name: str
  options: SearchOptions
  has_device: bool
  is_timed = False
  count = None

  @functools.cached_property
  def _loaded(self) -> ResourceMeter:
    return load_meter(self.name)

  @property
  def unit(self) -> str:
    return self._loaded.unit

  def check(self) -> None:
    check_timing(self.options, self.has_device)

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    return measured_range(self.name, _asked_once(self._loaded, space), space, folder)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    return False

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    meter = _asked_once(self._loaded, space)
    if isinstance(meter, AskedOnce):
      values = known_range(folder, _header(self.name, space))
      if values is not None:
        _learn(meter, space, values)
    return meter

  def confirmation(self, folder: RunFolder, problem: Problem, progress: Progress) -> None:
    return None

  def measured(self, attempt: Attempt) -> float:
    return attempt.found.resource

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    return {"resource": problem.meter.measure(spec)}

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    return scaled_by(problem, found), ""
