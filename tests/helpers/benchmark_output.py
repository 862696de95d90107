"""What `benchmark_model` prints, put together for tests."""

import pathlib

from nadv2_tf.benchmarks.timing import benchmark_model

RECORDED = pathlib.Path(__file__).parents[1] / "benchmarks" / "recorded"
COMMAND = "./benchmark_model --graph=net.tflite"

LOADED = "Graph: [net.tflite]\nLoaded model net.tflite"
STAGE = (
  "Running benchmark for at least {} iterations and at least 1 seconds but terminate if exceeding "
  "150 seconds."
)
WARMUP = "count=10 first=900 curr=800 min=700 max=900 avg=790.5 std=39 p5=700 median=780 p95=900"
COUNTED = "count=50 first=312 curr=311 min=304 max=318 avg=311.65 std=39 p5=306 median=312 p95=318"
SUMMARY = "Inference timings in us: Init: 386, Warmup (avg): 790.5, Inference (avg): "
EXPECTED = benchmark_model.Reading(0.312, 0.31165, 0.318, 50, min_ms=0.304)


def printed(counted=COUNTED, summary=SUMMARY + "311.65", *, prefix="INFO: ", asked=50):
  """All that a run prints; an empty line follows each line of statistics, as in the tool."""
  lines = ["STARTING!", LOADED, STAGE.format(10), WARMUP + "\n"]
  lines += [STAGE.format(asked), counted + "\n", summary, "Note: only APPROXIMATE: at runtime"]
  text = "\n".join(line for line in lines if line)
  return "".join(f"{prefix}{line}\n" if line else "\n" for line in text.split("\n"))


def read(stdout="", stderr="", exit_status=0, delegate=None):
  return benchmark_model.read(stdout, stderr, exit_status, COMMAND, delegate)


def recorded(name, delegate=None):
  def content(ending):
    return (RECORDED / f"{name}.{ending}").read_bytes()

  return benchmark_model.read(
    content("stdout"),
    content("stderr"),
    int(content("rc")),
    content("cmd").decode().strip(),
    delegate,
  )


def litert_block(average="0.31", runs=50):
  """What LiteRT's own tool prints at its end, on stderr; the results' first line has no prefix."""
  return (
    "INFO: [benchmark_litert_model.h:92] \n========== BENCHMARK RESULTS ==========\n"
    "INFO: [benchmark_litert_model.h:94] Model initialization: 4.48 ms\n"
    "INFO: [benchmark_litert_model.h:96] Warmup (first):       0.90 ms\n"
    "INFO: [benchmark_litert_model.h:98] Warmup (avg):         0.79 ms (10 runs)\n"
    f"INFO: [benchmark_litert_model.h:100] Inference (avg):      {average} ms ({runs} runs)\n"
    "INFO: [benchmark_litert_model.h:104] Inference (min):      0.30 ms\n"
    "INFO: [benchmark_litert_model.h:106] Inference (max):      0.32 ms\n"
    "INFO: [benchmark_litert_model.h:108] Inference (std):      0.04\n"
    "INFO: [benchmark_litert_model.h:115] Throughput:           525.55 MB/s\n"
  )
