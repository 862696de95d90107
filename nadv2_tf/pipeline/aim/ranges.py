"""What a space costs, told by three of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.run_folder.records import MeasuredRange
from nadv2_tf.search import UnreachableTarget

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace

#: where metrics.json has the range of a run's metric, if it was measured
RANGE = "range"


def middle(space: SearchSpace) -> NetworkSpec:
  """The network with the middle choice of every decision."""
  return space.decode([d.choices[len(d.choices) // 2] for d in space.decisions])


def range_of(space: SearchSpace) -> dict[str, NetworkSpec]:
  """The networks that tell what a space costs, by name."""
  return {"smallest": space.smallest(), "middle": middle(space), "largest": space.largest()}


def costs_by(meter: ResourceMeter, space: SearchSpace) -> dict[str, float]:
  """What `meter` says of the networks of `range_of`: {name: resource}."""
  return {name: meter.measure(spec) for name, spec in range_of(space).items()}


def known_range(folder: RunFolder, header: Mapping[str, Any], place: str = RANGE) -> Any:
  """The values that an earlier command of the same folder measured, or None.

  Args:
    folder: the `RunFolder`.
    header: what they must have been measured with.
    place: where metrics.json has them.
  """
  from nadv2_tf.benchmarks.tables.headers import comparable

  known = folder.metrics().range_of(place)
  if known is None or known.measured_with != comparable(header, known.measured_with):
    return None
  return dict(known.values)


def keep_range(
  folder: RunFolder,
  header: Mapping[str, Any],
  values: Mapping[str, float],
  place: str = RANGE,
  doubts: Mapping[str, str] | None = None,
) -> None:
  """Writes down what `known_range` will find, and {name: what speaks against its measurement}."""
  measured: dict[str, Any] = {place: MeasuredRange(header, values, doubts or {})}
  folder.update_metrics(**measured)


def range_doubts(folder: RunFolder, place: str = RANGE) -> Mapping[str, str]:
  """{name of a network: what speaks against the kept measurement of it}, if something does."""
  known = folder.metrics().range_of(place)
  return known.doubts if known else {}


def describe_range(values: Mapping[str, float], unit: str) -> str:
  """What the smallest, middle and largest network of the space cost, in words."""
  parts = [f"{name} network {value:.4g} {unit}" for name, value in values.items()]
  return ", ".join(parts).replace("middle network", "middle").replace("largest network", "largest")


def check_smallest(
  space: SearchSpace,
  kind: str,
  costs: Mapping[str, float],
  most: float,
  unit: str,
  doubt: str = "",
) -> None:
  """Raises UnreachableTarget if even the smallest network of a space costs too much.

  Args:
    space: the `SearchSpace`.
    kind: "target" or "limit".
    costs: {name of a network of `range_of`: resource}.
    most: the target or limit.
    unit: of all of them.
    doubt: what speaks against the measurement of the smallest network, "" if nothing does.
  """
  if costs["smallest"] <= most:
    return
  said = (
    f"The {kind} of {most:g} {unit} cannot be met: the smallest network of "
    f"{space.network.name!r} has {costs['smallest']:g} {unit}."
  )
  if doubt:
    said += f" Its timing is unsteady: {doubt}. The same command, started again, times it anew."
  raise UnreachableTarget(said)
