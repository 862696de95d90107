"""The files that LiteRT's `benchmark_model` writes, put together for tests.

`ModelRuntimeDetails` is built with the code that TensorFlow's package has for it (LiteRT's has the
same, which does not load beside it). Of `BenchmarkResult` neither has code, so its bytes are put
together as protobuf's guide to its encoding says: a tag of the number and 0 (a varint), 2 (length
first) or 5 (four bytes), and the value.
"""

import json
import struct

#: numbers of LatencyMetrics' fields, in their order
LATENCY = (
  "avg_ms", "min_ms", "max_ms", "stddev_ms", "median_ms", "p5_ms", "p95_ms", "init_ms",
  "first_inference_ms", "average_warm_up_ms",
)  # fmt: skip
#: as `benchmark_output.COUNTED` has them
MEASURED = dict(
  zip(LATENCY, (0.31165, 0.304, 0.318, 0.039, 0.312, 0.306, 0.318, 4.5, 0.9, 0.79), strict=True)
)


def _tagged(number, kind, content):
  return bytes([number << 3 | kind]) + content


def _varint(value):
  found = b""
  while value > 127:
    found += bytes([value & 127 | 128])
    value >>= 7
  return found + bytes([value])


def _message(number, content):
  return _tagged(number, 2, _varint(len(content)) + content)


def benchmark_result(runs=50, memory_kb=40_000, **latency):
  """Bytes of a `BenchmarkResult`; None of a field leaves it out."""
  values = MEASURED | latency
  times = b"".join(
    _tagged(number, 5, struct.pack("<f", values[name]))
    for number, name in enumerate(LATENCY, start=1)
    if values[name] is not None
  )
  memory = _tagged(1, 0, _varint(memory_kb)) + _tagged(2, 0, _varint(memory_kb))
  misc = _tagged(1, 5, struct.pack("<f", 1.2)) + _tagged(2, 0, _varint(runs))
  misc += _tagged(3, 0, _varint(10)) + _tagged(4, 5, struct.pack("<f", 500.0))
  return _message(2, times) + _message(3, memory) + _message(4, misc)


def runtime_info(nodes=4, kernels=(("LITERT_CL", (0, 1, 2, 3)),), graphs=1):
  """Bytes of a `ModelRuntimeDetails`: a graph of `nodes`, and (delegate, nodes that it took)."""
  from tensorflow.lite.profiling.proto import model_runtime_info_pb2

  details = model_runtime_info_pb2.ModelRuntimeDetails(model_name="net")
  for index in range(graphs):
    graph = details.subgraphs.add(subgraph_id=index, subgraph_type=1, name="main")
    graph.edges.add(id=0, name="images", data_type=1, shape=[1, 8, 8, 3])
    taken = {node: place for place, (_, took) in enumerate(kernels) for node in took}
    plan = []
    for number in range(nodes):
      node = graph.nodes.add(id=number, name="CONV_2D", type="3", inputs=[0], outputs=[1])
      if number in taken:
        node.delegated_to_node_id = nodes + taken[number]
      if number not in taken:
        plan.append(number)
      elif nodes + taken[number] not in plan:
        plan.append(nodes + taken[number])
    for place, (name, took) in enumerate(kernels):
      kernel = graph.nodes.add(id=nodes + place, name=name, type=f"Delegate/{name}")
      kernel.delegate_node_details.delegate_name = name
      kernel.delegate_node_details.tflite_node_ids_replaced.extend(took)
    graph.execution_plan.extend(plan)
  return details.SerializeToString()


def litert_json(runs=50, threads=1, accelerators=("CPU",), **latency):
  """Bytes of the JSON that litert-benchmark of ai-edge-litert 2.3 writes."""
  times = {
    "init_ms": 7.77, "warmup_first_ms": 0.31, "warmup_avg_ms": 0.19, "num_warmup_runs": 5,
    "avg_ms": 0.41, "min_ms": 0.3, "max_ms": 8.3, "median_ms": 0.33, "std_ms": 1.42, "p5_ms": 0.31,
    "p95_ms": 0.45, "num_runs": runs,
  }  # fmt: skip
  record = {
    "model": "net.tflite", "model_size_mb": 1.18, "accelerators": list(accelerators),
    "signature": "<placeholder signature>", "fully_accelerated": True, "num_threads": threads,
    "latency": times | latency, "throughput_mb_s": 9.55,
  }  # fmt: skip
  return json.dumps(record, indent=2).encode()
