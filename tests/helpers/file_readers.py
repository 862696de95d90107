"""Readers of files: of each a whole file, what reads it, and how many damaged forms it is fed."""

import io
import json

import numpy as np
from PIL import Image
from result_messages import benchmark_result, litert_json, runtime_info

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables.partial import PartialTable
from nadv2_tf.benchmarks.timing import benchmark_model, litert_benchmark, result_files
from nadv2_tf.options import FinetuneOptions, TimingSettings
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.programs.count import load_network
from nadv2_tf.resources import MacsMeter
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.latency_table import COLUMNS, LatencyTable
from nadv2_tf.resources.predictor import LatencyPredictor
from nadv2_tf.search import (
  FpNas,
  MultiLayerCoordinateDescent,
  Problem,
  in_turn,
  journal,
  minimize,
)
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head
from nadv2_tf.tasks import images
from nadv2_tf.tasks.sources import npz, registry

OUTPUT = """Running benchmark for at least 1 iterations and at least 0.1 seconds but terminate if
count=5 first=900 curr=700 min=690 max=900 avg=750 std=80
Running benchmark for at least 50 iterations and at least 0.2 seconds but terminate if
count=50 first=700 curr=710 min=690 max=720 avg=705 std=5
Inference timings in us: Init: 100, First inference: 900, Warmup (avg): 750, Inference (avg): 705
"""
HEADER = {"space": "toy", "threads": 1}


def png(kind="PNG"):
  content = io.BytesIO()
  Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(content, kind)
  return content.getvalue()


def _npz():
  content = io.BytesIO()
  x = np.zeros((4, 8, 8), np.uint8)
  np.savez(content, x_train=x, y_train=np.arange(4), x_test=x, y_test=np.arange(4))
  return content.getvalue()


def _checkpoint(folder):
  from nadv2_tf.training.checkpoints import file as checkpoint_file

  path = folder / "sample.npz"
  arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}
  checkpoint_file.write(path, checkpoint_file.Checkpoint(3, arrays, {"steps": 5}), {"seed": 1})
  return path.read_bytes()


def _network():
  import keras

  return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu", name="one")])


def saved(folder, name):
  path = folder / name
  model = _network()
  (model.save if name.endswith(".keras") else model.save_weights)(path)
  return path.read_bytes()


def _described(folder):
  """A TFLite file with metadata and labels."""
  from nadv2_tf.export import metadata, to_tflite

  content = to_tflite(_network(), folder / "sample.tflite").read_bytes()
  return metadata.described(content, metadata.Description("tiny", labels=("ant", "bee", "cow")))


def _read_metadata(path):
  from nadv2_tf.export import metadata

  return metadata.read(path.read_bytes()), metadata.read_labels(path.read_bytes())


def read_checkpoint(path):
  from nadv2_tf.training.checkpoints import file as checkpoint_file

  return checkpoint_file.read(path)


def read_keras(path):
  from nadv2_tf.training.network_files import load_keras

  return load_keras(path)


def read_weights(path):
  from nadv2_tf.training.network_files import load_weights

  load_weights(_network(), path)


def _read_run(path):
  folder = RunFolder(path.parent)
  folder.check(
    finetune=FinetuneOptions(1.0, 0.1, "direct", finetune_distillation=0, finetune_holdout=False)
  )
  return folder.options("finetune", FinetuneOptions)


class _Scores:
  """An evaluator that needs no training."""

  def accuracy(self, specs):
    return [1 / (1 + spec.macs()) for spec in specs]


def _problem():
  blocks = (Conv(8, 3, 2), DepthwiseSeparable(8, 8, 5), Head(4, 8))
  space = space_of(NetworkSpec("toy", (8, 8, 1), blocks), 4)
  target = MacsMeter().measure(space.largest()) / 2
  return Problem(space, space.largest(), MacsMeter(), target)


def _search(path):
  """A search that goes on from a journal."""
  problem = _problem()
  return minimize(problem, MultiLayerCoordinateDescent(2, 2, 0.2), _Scores(), path)


def _trained_in_turn(folder):
  turns = in_turn.Turns(_problem(), FpNas(joint_after=0.0), 2, 0)
  turns.begin(0)
  return json.dumps(turns.to_json()).encode()


def _search_in_turn(path):
  trained = in_turn.read(path, _problem().space)
  return minimize(_problem(), in_turn.MostProbable(trained), _Scores())


def _journal(folder):
  _search(folder / "sample.jsonl")
  return (folder / "sample.jsonl").read_bytes()


def _read_folder(path):
  """As the first image of a data set."""
  return registry.load(f"folder:{path.parent}", 8)


def _folder_of(path):
  for part in ("train", "test"):
    for name in ("ant", "bee"):
      place = path.parent / part / name
      place.mkdir(parents=True, exist_ok=True)
      (place / "1.png").write_bytes(png())
  (path.parent / "train" / "ant" / "2.png").write_bytes(path.read_bytes())
  return _read_folder(path)


def _read_output(path):
  content = path.read_bytes()
  return benchmark_model.read(content, b"", 0, ["benchmark_model"], "xnnpack")


LINE = '{"type":"sample","iteration":1,"widths":[1,2],"accuracy":0.5,"resource":10.0}\n'
TABLE = f"# scale: 1.5\n{','.join(COLUMNS)}\npool,2,2,4,4,0,0,0,,0.1\n"
PREDICTOR = (
  b'{"facts":{"device":"host"},"network":"one","input_shape":[8,8,1],"blocks":2,"decisions":'
  b'[{"kind":"width","field":"filters","blocks":[0],"choices":[0,4,8]}],"direct":[0.5,0.0],'
  b'"layers":[{"weights":[[1.0],[2.0]],"biases":[0.5]}]}'
)
#: name of the file -> (bytes that can be read, or a function of a folder; reader; examples)
READERS = {
  "spec.json": (
    lambda _: backbones.network("mobilenet_v1").to_json().encode(),
    lambda path: load_network(str(path)),
    100,
  ),
  "table.csv": (lambda _: TABLE.encode(), LatencyTable.from_csv, 150),
  "blocks.json": (
    lambda _: json.dumps({"0": {"0": 1.0, "3": 2.0}, "1": {"1": 2.5}}).encode(),
    BlockTable.from_json,
    150,
  ),
  "predictor.json": (lambda _: PREDICTOR, LatencyPredictor.from_json, 150),
  "search.jsonl": (lambda _: LINE.encode() * 3, journal.read, 150),
  "resumed.jsonl": (_journal, _search, 60),
  "distributions.json": (_trained_in_turn, _search_in_turn, 100),
  "partial.jsonl": (
    lambda _: json.dumps(HEADER).encode() + b'\n[["a"],1.0]\n',
    lambda path: PartialTable(path, HEADER),
    150,
  ),
  "run.json": (
    lambda _: (
      b'{"finetune": {"finetune_epochs": 1.0, "finetune_learning_rate": 0.1, '
      b'"transfer": "direct", "transfer_epochs": 2.0, '
      b'"finetune_augmentation": null, "finetune_stochastic_depth": null, '
      b'"finetune_distillation": 0, "finetune_holdout": false, "finetune_batch_size": null}}'
    ),
    _read_run,
    150,
  ),
  "metrics.json": (
    lambda _: b'{"networks": {"found": {"macs": 1}}, "seconds": {}}',
    lambda path: RunFolder(path.parent).network_metrics("found"),
    100,
  ),
  "data.npz": (lambda _: _npz(), lambda path: npz.read(path, lambda array: array), 100),
  "image.png": (lambda _: png(), lambda path: images.read_image(path, 8), 100),
  "image.jpg": (lambda _: png("JPEG"), lambda path: images.read_image(path, 8), 100),
  "image.gif": (lambda _: png("GIF"), lambda path: images.read_image(path, 8), 60),
  "photo": (lambda _: png(), _folder_of, 20),
  "result.pb": (lambda _: benchmark_result(), result_files.read_result, 300),
  "runtime_info.pb": (lambda _: runtime_info(), result_files.read_runtime_info, 300),
  "litert.json": (
    lambda _: litert_json(),
    lambda path: litert_benchmark.read_json(path, TimingSettings(), 50),
    150,
  ),
  "output.txt": (lambda _: OUTPUT.encode(), _read_output, 150),
  "step.npz": (_checkpoint, read_checkpoint, 150),
  "network.keras": (lambda folder: saved(folder, "sample.keras"), read_keras, 40),
  "network.tflite": (_described, _read_metadata, 300),
  "a.weights.h5": (lambda folder: saved(folder, "sample.weights.h5"), read_weights, 40),
}
