"""The two files that LiteRT's `benchmark_model` writes: `BenchmarkResult`, `ModelRuntimeDetails`.

Field numbers and names are those of LiteRT's `tflite/tools/benchmark/proto/benchmark_result.proto`
and `tflite/profiling/proto/model_runtime_info.proto`; the second is also in the package
ai-edge-litert. Only the fields that are read are described here; protobuf passes over the others.

A message that is cut between two fields is a whole shorter one to protobuf. The writer writes its
fields in the order of their numbers, so the last one of each message is asked for.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from nadv2_tf.benchmarks.timing.errors import NothingMeasured
from nadv2_tf.benchmarks.timing.placement import Placement
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from nadv2_tf.types import AnyPath

#: bytes; 120 kB is what a network of 70 nodes took
LARGEST_FILE = 64 * 2**20
#: numbers are stored in 24 bits
PRECISION = 2e-7

_Field = descriptor_pb2.FieldDescriptorProto
#: message -> ((field, number, its type, whether it repeats), ...)
_MESSAGES: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
  "LatencyMetrics": (
    ("avg_ms", 1, "float", False),
    ("min_ms", 2, "float", False),
    ("max_ms", 3, "float", False),
    ("stddev_ms", 4, "float", False),
    ("median_ms", 5, "float", False),
    ("p5_ms", 6, "float", False),
    ("p95_ms", 7, "float", False),
    ("init_ms", 8, "float", False),
    ("first_inference_ms", 9, "float", False),
    ("average_warm_up_ms", 10, "float", False),
  ),
  "MemoryMetrics": (
    ("init_footprint_kb", 1, "int64", False),
    ("overall_footprint_kb", 2, "int64", False),
    ("peak_mem_mb", 3, "float", False),
  ),
  "MiscMetrics": (("num_runs", 2, "int32", False), ("num_warmup_runs", 3, "int32", False)),
  "BenchmarkResult": (
    ("latency_metrics", 2, "LatencyMetrics", False),
    ("memory_metrics", 3, "MemoryMetrics", False),
    ("misc_metrics", 4, "MiscMetrics", False),
  ),
  "DelegateNodeDetails": (
    ("delegate_name", 1, "string", False),
    ("tflite_node_ids_replaced", 2, "int32", True),
  ),
  "Node": (
    ("id", 1, "int32", False),
    ("delegate_node_details", 8, "DelegateNodeDetails", False),
    ("delegated_to_node_id", 9, "int32", False),
  ),
  "RuntimeSubgraph": (
    ("subgraph_id", 1, "int32", False),
    ("nodes", 3, "Node", True),
    ("execution_plan", 4, "int32", True),
    ("subgraph_type", 5, "int32", False),
  ),
  "ModelRuntimeDetails": (("subgraphs", 2, "RuntimeSubgraph", True),),
}
_PACKAGE = "nadv2_tf.result_files"


@dataclasses.dataclass(frozen=True)
class Result:
  """What a `BenchmarkResult` says of the counted runs; times in ms.

  `memory_kb` is how much more memory the program had in use after the runs than before it loaded
  the file; None where the device does not tell.
  """

  mean_ms: float
  min_ms: float
  max_ms: float
  median_ms: float
  p95_ms: float
  runs: int
  memory_kb: int | None


def read_result(path: AnyPath) -> Result:
  """The `Result` in a file of `--result_file_path`.

  Raises:
    NothingMeasured: if it is cut off, damaged, or its numbers contradict each other.
    OSError: if it cannot be read.
  """
  result = _parsed(path, "BenchmarkResult", "--result_file_path")
  latency, misc, memory = result.latency_metrics, result.misc_metrics, result.memory_metrics
  missing = [name for name, *_ in _MESSAGES["LatencyMetrics"] if not latency.HasField(name)]
  missing += [name for name, *_ in _MESSAGES["MiscMetrics"] if not misc.HasField(name)]
  if missing:
    raise NothingMeasured(
      f"The file {path} of benchmark_model has no {', '.join(missing)}, so it is cut off or of "
      "another build: time the file again."
    )
  ordered = [latency.min_ms, latency.p5_ms, latency.median_ms, latency.p95_ms, latency.max_ms]
  values = [*ordered, latency.avg_ms]
  slack = PRECISION * latency.max_ms
  if (
    not all(math.isfinite(value) and value >= 0 for value in values)
    or min(latency.median_ms, latency.avg_ms) <= 0
    or ordered != sorted(ordered)
    or not latency.min_ms - slack <= latency.avg_ms <= latency.max_ms + slack
    or misc.num_runs < 1
  ):
    raise NothingMeasured(
      f"The numbers in the file {path} of benchmark_model contradict each other: time the "
      "file again."
    )
  footprint = memory.overall_footprint_kb if memory.HasField("overall_footprint_kb") else None
  return Result(
    latency.avg_ms,
    latency.min_ms,
    latency.max_ms,
    latency.median_ms,
    latency.p95_ms,
    misc.num_runs,
    footprint if footprint is None or footprint > 0 else None,
  )


def read_runtime_info(path: AnyPath) -> Placement:
  """The `Placement` of the main graph in a file of `--model_runtime_info_output_file`.

  Raises:
    NothingMeasured: if it is cut off, damaged, or its nodes contradict each other.
    OSError: if it cannot be read.
  """
  details = _parsed(path, "ModelRuntimeDetails", "--model_runtime_info_output_file")
  graphs = [graph for graph in details.subgraphs if graph.subgraph_id == 0]
  # What the plan names must be there; subgraph_type is the last number that LiteRT always writes.
  if len(graphs) != 1 or not graphs[0].HasField("subgraph_type") or not graphs[0].execution_plan:
    raise NothingMeasured(
      f"The file {path} of benchmark_model describes no main graph, so it is cut off or of another "
      "build: time the file again."
    )
  nodes = {node.id: node for node in graphs[0].nodes}
  plan = list(graphs[0].execution_plan)
  delegated: dict[str, int] = {}
  replaced: list[int] = []
  alone, parts, before = 0, 0, False
  for index in plan:
    node: Any = nodes.get(index)
    is_kernel = node is not None and node.HasField("delegate_node_details")
    if is_kernel:
      kernel = node.delegate_node_details
      replaced += kernel.tflite_node_ids_replaced
      name = kernel.delegate_name[:100]
      delegated[name] = delegated.get(name, 0) + len(kernel.tflite_node_ids_replaced)
    parts += is_kernel or not before
    alone += not is_kernel
    before = not is_kernel
  known = {*plan, *replaced} <= set(nodes) and len(nodes) == len(graphs[0].nodes)
  if not known or len(set(plan)) < len(plan) or len({*plan, *replaced}) < len(plan) + len(replaced):
    raise NothingMeasured(
      f"The nodes in the file {path} of benchmark_model contradict each other: time the file again."
    )
  return Placement(alone + len(replaced), delegated, parts)


def _parsed(path: AnyPath, name: str, flag: str) -> Any:
  """The message `name` in a file; NothingMeasured if it is none."""
  try:
    content = read_bounded(path, LARGEST_FILE)
    return _message_classes()[name].FromString(content)
  except (message.DecodeError, ValueError, RecursionError) as error:
    raise NothingMeasured(
      f"The file {path} that benchmark_model wrote for {flag} cannot be read ({error}): time the "
      "file again."
    ) from None


@functools.cache
def _message_classes() -> dict[str, Any]:
  """{message: its class}, in a pool of their own."""
  file = descriptor_pb2.FileDescriptorProto(
    name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2"
  )
  for name, fields in _MESSAGES.items():
    made = file.message_type.add(name=name)
    for field, number, kind, repeats in fields:
      described = made.field.add(name=field, number=number)
      described.label = _Field.LABEL_REPEATED if repeats else _Field.LABEL_OPTIONAL
      if kind in _MESSAGES:
        described.type = _Field.TYPE_MESSAGE
        described.type_name = f".{_PACKAGE}.{kind}"
      else:
        described.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
  pool = descriptor_pool.DescriptorPool()
  pool.Add(file)
  # protobuf before 4.22, which tflite-support wants, has the older name.
  class_of = getattr(message_factory, "GetMessageClass", None)
  if class_of is None:
    class_of = message_factory.MessageFactory(pool).GetPrototype
  return {name: class_of(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}
