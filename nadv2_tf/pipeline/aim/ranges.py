"""What a space costs, told by three of its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nadv2_tf.pipeline.run_folder.records import MeasuredRange

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
  known = folder.metrics().range_of(place)
  return dict(known.values) if known and known.measured_with == header else None


def keep_range(
  folder: RunFolder, header: Mapping[str, Any], values: Mapping[str, float], place: str = RANGE
) -> None:
  """Writes down what `known_range` will find."""
  measured: dict[str, Any] = {place: MeasuredRange(header, values)}
  folder.update_metrics(**measured)


def describe_range(values: Mapping[str, float], unit: str) -> str:
  """What the smallest, middle and largest network of the space cost, in words."""
  parts = [f"{name} network {value:.4g} {unit}" for name, value in values.items()]
  return ", ".join(parts).replace("middle network", "middle").replace("largest network", "largest")
