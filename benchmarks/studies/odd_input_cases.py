"""What the study `odd_inputs` damages: small real inputs of every kind, and who reads them."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import stat
import sys
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.spec import SearchSpace

SIZE = 16
#: images of each class in a folder's part, of which one is damaged
IMAGES = 6
BACKBONE = "odd"
LISTING = """List of devices attached
adb-0123456789ABCD-abcdef (2)._adb-tls-connect._tcp device product:p model:m device:d transport_id:1
emulator-5554          offline transport_id:2

"""
OUTPUT = """STARTING!
Loaded model net.tflite
Running benchmark for at least 1 iterations and at least 0.1 seconds but terminate if
count=5 first=900 curr=700 min=690 max=900 avg=750 std=80
Running benchmark for at least 50 iterations and at least 0.2 seconds but terminate if
count=50 first=700 curr=710 min=690 max=720 avg=705 std=5
Inference timings in us: Init: 100, First inference: 900, Warmup (avg): 750, Inference (avg): 705
"""
SEARCH = ("--target=80%", "--samples_per_iteration=2", "--layers_per_sample=3", "--tighten=0")
NETWORK = f"--backbone={BACKBONE}"
TRAINING = (
  *(f"--image_size={SIZE}", "--holdout=4", "--batch_size=4", "--subnetworks_per_batch=2"),
  *("--epochs=1", "--full_epochs=1"),
)
RUN = (*TRAINING, "--finetune_epochs=1", *SEARCH, "--metric=macs")


@dataclasses.dataclass(frozen=True)
class Reader:
  """A command that reads an input.

  Attributes:
    command: nadv2-COMMAND.
    arguments: in which {there} is the folder with the damaged input, {file} the input itself and
      {output} a new folder.
    is_known: whether the result is known: with exit status 0 it has to be that of the whole input.
  """

  command: str
  arguments: tuple[str, ...]
  is_known: bool = False


@dataclasses.dataclass(frozen=True)
class Input:
  """A kind of input.

  Attributes:
    name: of the file, in a folder of the study.
    readers: take turns.
    beside: the folder whose copy it is damaged in; "" if it stands alone.
    has_digests: whether every byte of the file is under a checksum: a changed one that is read
      nevertheless may change nothing.
  """

  name: str
  readers: tuple[Reader, ...]
  beside: str = ""
  has_digests: bool = False


def _evaluate(data: str, network: str = "net.tflite", is_known: bool = False) -> Reader:
  return Reader("evaluate", (f"--network={{given}}/{network}", f"--data={data}"), is_known)


def _export(data: str) -> Reader:
  network = ("--network={given}/net.keras", "--output={output}", "--quantization=float16")
  return Reader("export", (*network, f"--data={data}"))


_FOLDER, _NPZ = "folder:{there}", "npz:{file}"
_TRAIN = ("--output={output}", NETWORK, *TRAINING)
_ON_DATA = "--data=npz:{given}/data.npz"
_DEPTH = Reader("evaluate", ("--network={given}/depth.keras", "--data=folder:{there}"))
_TIME = ("--runs=1", "--repeats=1", "--seconds=0", "--attempts=1")
_REPORT = Reader("report", ("--output={there}",))
_FINETUNE = Reader("finetune", ("--output={there}", "--finetune_epochs=1"))
_RUN = ("--output={output}", *RUN)
_PHOTOS = tuple(
  Input(
    f"photos_{kind}/{part}/bee/3.{kind}",
    (
      _evaluate(_FOLDER, is_known=part == "train"),
      _export(_FOLDER),
      Reader(
        "evaluate", ("--network={given}/net.keras", "--data=folder:{there}", "--input=stream")
      ),
      *(
        [
          Reader("train", ("--data=folder:{there}", *_TRAIN)),
          Reader("run", ("--data=folder:{there}", *_RUN, NETWORK)),
        ]
        if kind == "jpg"
        else []
      ),
    ),
    f"photos_{kind}",
  )
  for kind in ("jpg", "png", "webp")
  for part in ("train", "test")
)
INPUTS = (
  *_PHOTOS,
  Input(
    "data.npz",
    (_evaluate(_NPZ), _export(_NPZ), Reader("train", ("--data=npz:{file}", *_TRAIN))),
    has_digests=True,
  ),
  *(Input(f"depth/{part}", (_DEPTH,), "depth") for part in ("rgb/03.jpg", "depth/03.png")),
  Input(
    "net.keras",
    (
      Reader("evaluate", ("--network={file}", _ON_DATA)),
      Reader("count", ("--network={file}",)),
      Reader("export", ("--network={file}", "--output={output}")),
      Reader("run", ("--network={file}", _ON_DATA, *_RUN, "--head_epochs=1")),
    ),
    has_digests=True,
  ),
  Input(
    "net.h5",
    (
      Reader("count", ("--network={file}",)),
      Reader(
        "latency_table", ("--network={file}", "--check_networks=0", "--output={there}/table.csv")
      ),
    ),
  ),
  Input(
    "net.tflite",
    (
      Reader("evaluate", ("--network={file}", _ON_DATA)),
      Reader("time", ("--tflite={file}", *_TIME)),
    ),
  ),
  Input("spec.json", (Reader("count", ("--network={file}",)),)),
  Input("count.flags", (Reader("count", ("--flagfile={file}",)),)),
  Input(
    "trained/table.csv",
    (
      Reader(
        "search",
        ("--output={there}", "--metric=latency_ms", "--device=table:{file}", *SEARCH),
      ),
    ),
    "trained",
  ),
  Input("listing.txt", (Reader("time", ("--tflite={given}/net.tflite", "--device=adb", *_TIME)),)),
  Input(
    "output.txt",
    (
      Reader(
        "time",
        ("--tflite={given}/net.tflite", "--benchmark_binary={given}/benchmark_model", *_TIME),
      ),
    ),
  ),
  *(
    Input(f"run/{name}", (_REPORT, _FINETUNE), "run")
    for name in ("run.json", "metrics.json", "found.json", "training.json", "stages.json")
  ),
  Input(
    "run/search.jsonl",
    (Reader("search", ("--output={there}", "--metric=macs", *SEARCH)), _REPORT, _FINETUNE),
    "run",
  ),
  Input("run/found.keras", (Reader("export", ("--output={there}",)),), "run"),
)


def space(input_shape: tuple[int, int, int] = (SIZE, SIZE, 3), classes: int = 2) -> SearchSpace:
  """The smallest space with every kind of decision."""
  blocks = (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
    Head(classes, None),
  )
  return space_of(NetworkSpec(BACKBONE, input_shape, blocks), levels=2)


def call(command: str, *arguments: str) -> None:
  """A command in this process; raises SystemExit at its end."""
  sys.argv = [f"nadv2-{command}", *arguments]
  importlib.import_module(f"nadv2_tf.programs.{command}").start()


def make(folder: pathlib.Path, forked: Callable[..., None]) -> None:
  """Writes all inputs.

  Args:
    folder: where; made.
    forked: function (function, *arguments) that runs it in a fork of this process, where TensorFlow
      may start its threads.
  """
  folder.mkdir(parents=True)
  images, labels = _images(2 * IMAGES)
  np.savez(folder / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
  for kind in ("jpg", "png", "webp"):
    _write_photos(folder / f"photos_{kind}", kind)
  _write_depth(folder / "depth")
  (folder / "spec.json").write_text(space().largest().to_json(), encoding="utf-8")
  flags = "# a comment\n--network=mobilenet_v3_demo\n--json\n"
  (folder / "count.flags").write_text(flags, encoding="utf-8")
  (folder / "listing.txt").write_text(LISTING, encoding="utf-8")
  (folder / "output.txt").write_text(OUTPUT, encoding="utf-8")
  programs = folder / "programs"
  programs.mkdir()
  _script(folder / "benchmark_model", 'cat "$ODD_OUTPUT"')
  # Everything that it is asked but its list fails, as a phone does that was unplugged.
  words = 'case "$1" in version) echo 1;; devices) cat "$ODD_LISTING";; *) exit 1;; esac'
  _script(programs / "adb", words)
  forked(_write_networks, folder)
  data = f"--data=npz:{folder / 'data.npz'}"
  forked(call, "run", NETWORK, *RUN, data, f"--output={folder / 'run'}")
  forked(call, "train", NETWORK, *TRAINING, data, f"--output={folder / 'trained'}")
  table = f"--output={folder / 'trained' / 'table.csv'}"
  forked(call, "latency_table", NETWORK,
         f"--image_size={SIZE}", "--check_networks=0", table)  # fmt: skip


def _images(count: int) -> tuple[np.ndarray, np.ndarray]:
  """Dark and bright ones, told apart by half of the pixels' range."""
  rng, labels = np.random.default_rng(0), np.arange(2 * count) % 2
  images = rng.integers(0, 60, (2 * count, SIZE, SIZE, 3)) + 60
  return (images + 75 * labels[:, None, None, None]).astype(np.uint8), labels


def _write_photos(folder: pathlib.Path, kind: str) -> None:
  images, labels = _images(IMAGES)
  for part in ("train", "test"):
    for label, name in enumerate(("ant", "bee")):
      place = folder / part / name
      place.mkdir(parents=True)
      for number, image in enumerate(images[labels == label]):
        Image.fromarray(image).save(place / f"{number}.{kind}")


def _write_depth(folder: pathlib.Path) -> None:
  rng = np.random.default_rng(0)
  for part in ("rgb", "depth"):
    (folder / part).mkdir(parents=True)
  for number in range(20):
    image = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    Image.fromarray(image).save(folder / "rgb" / f"{number:02}.jpg")
    depth = rng.integers(1000, 5000, (SIZE, SIZE)).astype(np.uint16)
    Image.fromarray(depth).save(folder / "depth" / f"{number:02}.png")


def _write_networks(folder: pathlib.Path) -> None:
  import keras

  from nadv2_tf.export import to_tflite

  layers = keras.layers
  dense = layers.Dense(2)
  net = keras.Sequential(
    [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D(), dense]
  )
  net.layers[0].set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3)])
  dense.set_weights([np.array([[-1.0, 1.0]] * 3), np.zeros(2)])
  net.save(folder / "net.keras")
  net.save(folder / "net.h5")
  to_tflite(net, folder / "net.tflite")
  keras.Sequential(
    [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(1, 3, padding="same", bias_initializer="ones")]
  ).save(folder / "depth.keras")


def _script(path: pathlib.Path, words: str) -> None:
  path.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
  path.chmod(path.stat().st_mode | stat.S_IXUSR)
