"""What the numbers of a latency table depend on, as the head of its file has it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing import npu_libraries
from nadv2_tf.options.timing import OLD_DELEGATES, flags_text
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.spec import SearchSpace
  from nadv2_tf.types import AnyPath

#: what tables were measured with whose header does not say
EARLIER = {"precision": "float32", "benchmark_flags": "-", "npu_libraries": "-"}
#: what older tables do not tell, and is not held against them
UNTOLD = {"space"}


def header_of(space: SearchSpace, device: Device, settings: TimingSettings) -> dict[str, str]:
  """{name: text} of all that the numbers of a table depend on, as its file has them."""
  return {
    "backbone": space.network.name,
    "input_shape": "x".join(map(str, space.network.input_shape)),
    "parameters": str(space.network.parameters()),  # tells spaces of other classes apart
    "space": space_digest(space),
    **{name: value or "-" for name, value in dataclasses.asdict(device.identity).items()},
    "num_threads": str(settings.num_threads),
    "cpu_mask": settings.cpu_mask or "-",
    "delegate": settings.delegate,
    "precision": settings.precision,
    "benchmark_flags": flags_text(settings.benchmark_flags),
    "npu_libraries": npu_libraries.digest(settings),
  }


def space_digest(space: SearchSpace) -> str:
  """Tells a space from others whose network has the same name, input and number of parameters."""
  decisions = [dataclasses.astuple(decision) for decision in space.decisions]
  text = json.dumps([space.network.to_json(), decisions])
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def comparable(header: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
  """`header` without what older files do not tell, where `facts` do not."""
  return {name: value for name, value in header.items() if name in facts or name not in UNTOLD}


def check_header(path: AnyPath, header: Mapping[str, str]) -> None:
  """Raises ValueError if the table in `path` is of another space, device, or way of timing."""
  check_facts(path, LatencyTable.from_csv(path).facts, header)


def check_facts(path: AnyPath, facts: Mapping[str, str], header: Mapping[str, str]) -> None:
  """Raises ValueError if the `facts` of a file are of another space, device, or way of timing."""
  for name, value in comparable(header, facts).items():
    measured = facts.get(name, EARLIER.get(name))
    if name == "delegate":
      measured = OLD_DELEGATES.get(str(measured), measured)
    if measured != value:
      raise ValueError(
        f"{path} was measured with {name} = {measured}, now it is {value}: choose another "
        "--output, or delete it."
      )
