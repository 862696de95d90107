"""How accurate, large and fast a found network is in every mode of quantization.

  python -m nadv2_tf.benchmarks.studies.quantization --network=runs/demo/found.keras --data=demo

prints a table over the whole test set; benchmarks/results/quantization.txt is such an output.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile
from typing import TYPE_CHECKING

import keras
from absl import app, flags

from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.export import deployment, parity, predictor
from nadv2_tf.options import ExportOptions, TimingSettings
from nadv2_tf.pipeline.stages.export import datasets_of, evidence_of
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.training.scoring.evaluation import evaluate

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.timing.records import Timing
  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.task import Task

FLAGS = flags.FLAGS
#: (title, options) of the rows
ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
  ("float32", {}),
  ("float16", {"quantization": "float16"}),
  ("dynamic", {"quantization": "dynamic"}),
  ("int8", {"quantization": "int8"}),
  ("int8, 8 layers float", {"quantization": "int8", "float_layers": 8}),
  ("int8 after training", {"quantization": "int8_qat"}),
)


def define_flags() -> None:
  flags.DEFINE_string("network", None, "A .keras file; its .json beside it.", required=True)
  flags.DEFINE_string("data", "demo", "Images, as nadv2-run takes them.")
  flags.DEFINE_float("qat_epochs", 2.0, "Of quantization-aware training.")
  flags.DEFINE_float("qat_learning_rate", 1e-4, "Its largest learning rate.")


def measure_row(
  network: keras.Model,
  spec: NetworkSpec,
  task: Task,
  datasets: Datasets,
  path: pathlib.Path,
  options: ExportOptions,
) -> tuple[float, dict[str, Any]]:
  """(accuracy on the test set, the export's record) of one mode."""
  record = deployment.export(
    network, path, options, evidence_of(task, datasets), None, spec, _progress
  )
  accuracy = evaluate(predictor(path), datasets.test, len(datasets.class_names)).accuracy
  return accuracy, record


def _progress(step: int, steps: int, loss: float) -> None:
  if step in (1, steps) or step % 50 == 0:
    print(f"  training: step {step} of {steps}, loss {loss:.3g}", file=sys.stderr, flush=True)


def row_text(
  title: str,
  accuracy: float,
  record: Mapping[str, Any],
  first: Mapping[str, float],
  latency_ms: float,
) -> str:
  spread = record["spread"]
  return (
    f"{title:22s} {accuracy:7.2%} {100 * (first['accuracy'] - accuracy):+6.2f} "
    f"{record['top_1_agreement']:7.1%} {record['largest_difference'] / spread:8.2g} "
    f"{record['rms_difference'] / spread:8.2g} {record['size_bytes']:9,} "
    f"{record['size_bytes'] / first['size_bytes']:6.3f} {record['peak_memory_bytes']:9,} "
    f"{latency_ms:7.3f} {record['partitions']:5d}  "
    + (", ".join(f"{count} {name}" for name, count in record["fallback"].items()) or "-")
  )


def main(unused_argv: list[str]) -> None:
  source = pathlib.Path(FLAGS.network)
  network = keras.saving.load_model(source, compile=False, safe_mode=True)
  spec = NetworkSpec.from_json(source.with_suffix(".json").read_text(encoding="utf-8"))
  task = Classification(FLAGS.data, spec.input_shape[0], holdout=1, seed=0)
  datasets = datasets_of(task.source())
  rows, paths = [], []
  with tempfile.TemporaryDirectory() as folder:
    for index, (title, changes) in enumerate(ROWS):
      options = ExportOptions(
        max_accuracy_drop=100,
        qat_epochs=FLAGS.qat_epochs,
        qat_learning_rate=FLAGS.qat_learning_rate,
        **changes,
      )
      path = pathlib.Path(folder) / f"{index}.tflite"
      try:
        rows.append((title, *measure_row(network, spec, task, datasets, path, options)))
        paths.append(path)
      except parity.ParityError as error:
        print(f"{title}: {error}", flush=True)
    with open_device("host") as device:
      timings = device.time_files(paths, TimingSettings(repeats=7))
    print_table(source, spec, datasets, rows, timings)


def print_table(
  source: pathlib.Path,
  spec: NetworkSpec,
  datasets: Datasets,
  rows: Sequence[tuple[str, float, Mapping[str, Any]]],
  timings: Sequence[Timing],
) -> None:
  print(
    f"{source}: {spec.name}, {spec.parameters():,} parameters, on {FLAGS.data}, all "
    f"{len(datasets.test)} test images; other figures on {len(datasets.holdout)} training images; "
    f"{timings[0].device}, {timings[0].runtime}, 1 thread, "
    f"{timings[0].time[:10]}"
  )
  print(
    f"{'':22s} {'test':>7s} {'lost':>6s} {'top-1':>7s} {'largest':>8s} {'rms':>8s} {'bytes':>9s} "
    f"{'share':>6s} {'memory':>9s} {'ms':>7s} {'parts':>5s}  XNNPACK does not take"
  )
  first = {"accuracy": rows[0][1], "size_bytes": rows[0][2]["size_bytes"]}
  for (title, accuracy, record), timing in zip(rows, timings, strict=True):
    print(row_text(title, accuracy, record, first, timing.latency_ms))
    if not timing.steady:
      print(f"  (unsteady: {timing.doubt})")
  for title, _, record in rows:
    if record.get("layer_errors") and not record.get("float_layers"):
      print(f"{title}: error of each layer alone, over its outputs' spread:")
      for entry in record["layer_errors"]:
        print(f"  {entry['layer']:32s} {entry['relative_error']:.2%}")


if __name__ == "__main__":
  define_flags()
  app.run(main)
