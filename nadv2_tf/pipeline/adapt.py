"""A trained Keras model fitted to a budget, from Python: a model in, a model out."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nadv2_tf.option import options_of
from nadv2_tf.options import RunOptions, TaskSettings
from nadv2_tf.options.network import INPUT_RANGES
from nadv2_tf.options.run import GROUPS
from nadv2_tf.options.search import optimizer_options
from nadv2_tf.pipeline import run
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages.given.form import ADAPTED
from nadv2_tf.reading.precision import single_precision
from nadv2_tf.tasks.sources import npz
from nadv2_tf.training.network_files import load_keras

if TYPE_CHECKING:
  from typing import TypeAlias

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.types import AnyPath

  #: images and labels
  Pair: TypeAlias = tuple[Any, Any]

#: files beside the run's folder
MODEL, DATA, RUN = "model.keras", "data.npz", "run"
#: share of the images that are the test set, and of the rest that is the hold-out
TEST_SHARE = 0.2
#: images of the hold-out, at most
HOLDOUT = 1000
#: of an input range, by how much images may exceed it: rounding does
OVERSHOOT = 1e-3
#: images with fractions are taken for those of 0..255 only if the brightest pixel of all has this
BRIGHT = 16.0


@dataclasses.dataclass(frozen=True)
class Adapted:
  """What `adapt` gives.

  Attributes:
    model: the found network as a plain Keras model: it takes the images that the given one took,
      and ends as it ended.
    spec: its `NetworkSpec`, of images from -1 to 1, as the run has it in found.json.
    metrics: all figures of the run, as in its metrics.json.
    folder: the run's folder.
  """

  model: keras.Model
  spec: NetworkSpec
  metrics: dict[str, Any]
  folder: pathlib.Path
  #: ends with this value, where no `output` was given
  _temporary: tempfile.TemporaryDirectory[str] | None = dataclasses.field(default=None, repr=False)

  def save(self, folder: AnyPath) -> pathlib.Path:
    """Writes model.keras, the exported files, spec, metrics and report; returns the folder."""
    place = pathlib.Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(self.folder / f"{ADAPTED}.keras", place / MODEL)
    found = [*self.folder.glob("found*.tflite"), *self.folder.glob("found*.json")]
    for path in (*found, self.folder / "metrics.json", self.folder / "report.html"):
      shutil.copyfile(path, place / path.name)
    return place


def adapt(
  model: keras.Model,
  data: Pair | str,
  target: str | float = "50%",
  metric: str = "macs",
  test: Pair | float = TEST_SHARE,
  output: AnyPath | None = None,
  progress: Progress | None = None,
  **options: Any,
) -> Adapted:
  """Fits a trained model to a budget: trains, searches, trains on and exports, as nadv2-run does.

  Args:
    model: a `keras.Model` that classifies images.
    data: (images, labels), as the model takes them: images [count, height, width, channels], uint8
      or of 0 to 255, 0 to 1 or -1 to 1, of which the run keeps 8 bits; labels as integers [count]
      or one-hot [count, classes]. Or text as --data takes it, such as "folder:my_images".
    target: largest resource of the found network: a number, or a share such as "50%".
    metric: the resource, such as "macs" or "latency_ms".
    test: (images, labels) that nothing is trained on, or their share of `data`.
    output: folder to work in, where the same call goes on if it was stopped; None: a temporary one.
    progress: a `Progress`; None prints lines.
    **options: others of nadv2-run by the names of its flags, such as full_epochs=2.

  Returns:
    An `Adapted`.

  Raises:
    ValueError: in one line, for a model that cannot be read, data or options that cannot be used.
  """
  if "," in str(target):
    raise ValueError(
      f"target must be one number or share, got {target!r}; nadv2-run takes several."
    )
  if "network" in options:
    raise ValueError("adapt is given its network as `model`; leave network out.")
  if isinstance(data, str) and test != TEST_SHARE:
    raise ValueError(f"data={data!r} has a test set of its own; leave test out.")
  temporary = None if output else tempfile.TemporaryDirectory(prefix="nadv2_adapt_")
  place = pathlib.Path(output or (temporary.name if temporary else "")).absolute()
  place.mkdir(parents=True, exist_ok=True)
  given = {"metric": metric, "target": str(target), "network": str(place / MODEL)} | options
  if isinstance(data, str):
    given["data"] = data
  else:
    given |= _written(place / DATA, data, test, given)
  run_options = _options(given)
  # The run compares it with the one that it began with by its weights.
  model.save(place / MODEL)
  with single_precision():
    run.run(place / RUN, run_options, progress or Progress())
    folder = RunFolder(place / RUN)
    adapted = load_keras(folder.keras(ADAPTED))
  return Adapted(
    adapted,
    folder.read_spec("found"),
    json.loads((folder.path / "metrics.json").read_text()),
    folder.path,
    temporary,
  )


def _options(given: dict[str, Any]) -> RunOptions:
  """`RunOptions` of {flag: value}; ValueError for a flag that there is not."""
  left, groups = dict(given), {}
  for name, group in GROUPS.items():
    values: dict[str, Any] = {key: left.pop(key) for key in options_of(group) if key in left}
    if name == "network":
      settings = {key: left.pop(key) for key in options_of(TaskSettings) if key in left}
      values["task_settings"] = TaskSettings(**settings).given()
    if name == "search":
      values["optimizer_settings"] = {
        key: left.pop(key) for key in optimizer_options() if key in left
      }
    groups[name] = group(**values)
  own = {key: left.pop(key) for key in options_of(RunOptions) if key in left}
  if left:
    raise ValueError(f"adapt has no option {sorted(left)[0]!r}; see nadv2-run --help.")
  return RunOptions(**groups, **own)


def _written(
  path: pathlib.Path, data: Pair, test: Pair | float, given: dict[str, Any]
) -> dict[str, Any]:
  """Writes the images as --data=npz:FILE reads them; returns options that follow from them."""
  images, input_range = _bytes(data[0], given.get("input_range"))
  labels, classes = _labels(data[1], len(images))
  if isinstance(test, tuple):
    test_images, _ = _bytes(test[0], input_range)
    test_labels, classes_of_test = _labels(test[1], len(test_images))
    classes = max(classes, classes_of_test)
  else:
    order = np.random.default_rng(given.get("seed", 0)).permutation(len(images))
    cut = round(len(images) * test)
    if not 0 < cut < len(images):
      raise ValueError(f"test must be a share of the {len(images)} images, or images; got {test}.")
    test_images, test_labels = images[order[:cut]], labels[order[:cut]]
    images, labels = images[order[cut:]], labels[order[cut:]]
  arrays: dict[str, Any] = {
    "x_train": images, "y_train": labels, "x_test": test_images, "y_test": test_labels,
    npz.COUNT: np.int64(classes),
  }  # fmt: skip
  partial = path.with_name(f"new_{path.name}")
  np.savez(partial, **arrays)
  partial.replace(path)
  holdout = max(min(HOLDOUT, round(len(images) * TEST_SHARE)), 1)
  return {
    "data": f"npz:{path}",
    "input_range": input_range,
    "holdout": given.get("holdout", holdout),
  }


def _bytes(images: Any, input_range: str | None) -> tuple[np.ndarray, str]:
  """(images as uint8, one of --input_range's)."""
  images = np.asarray(images)
  if images.ndim != 4 or not len(images):
    raise ValueError(f"Images must be [count, height, width, channels], got {list(images.shape)}.")
  low, high = float(images.min()), float(images.max())
  if input_range in (None, "auto"):
    input_range = _guessed_range(images, low, high)
  black, white = INPUT_RANGES.get(str(input_range), (np.nan, np.nan))
  if not _is_within(low, high, black, white):
    raise ValueError(
      f"Images from {low:g} to {high:g} are not of {input_range or 'any of'} "
      f"({', '.join(INPUT_RANGES)}); what scales them otherwise belongs into the model, as "
      "Rescaling or Normalization."
    )
  if images.dtype == np.uint8 and (black, white) == INPUT_RANGES["0..255"]:
    return images, str(input_range)
  share = (images.astype(np.float64) - black) / (white - black)
  return np.rint(share.clip(0, 1) * 255).astype(np.uint8), str(input_range)


def _guessed_range(images: np.ndarray, low: float, high: float) -> str | None:
  """The narrowest input range that images are of; None where they are scaled otherwise.

  In 0..255 images keep whole numbers: of some from 0 to 2 three would be left.
  """
  if not np.issubdtype(images.dtype, np.integer):
    for name in ("0..1", "-1..1"):
      if _is_within(low, high, *INPUT_RANGES[name]):
        return name
    if high < BRIGHT and not np.array_equal(images, np.rint(images)):
      return None
  return "0..255" if _is_within(low, high, *INPUT_RANGES["0..255"]) else None


def _is_within(low: float, high: float, black: float, white: float) -> bool:
  most = OVERSHOOT * (white - black)
  return black - most <= low <= high <= white + most


def _labels(labels: Any, count: int) -> tuple[np.ndarray, int]:
  """(int64 [count] of integers or one-hot rows, how many classes there are)."""
  labels = np.asarray(labels)
  classes = 0
  is_numeric = np.issubdtype(labels.dtype, np.number) or labels.dtype == bool
  if is_numeric and labels.ndim == 2 and labels.shape[1] > 1:
    is_one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
    classes = labels.shape[1] if is_one_hot else 0
    labels = labels.argmax(axis=1) if is_one_hot else labels
  if not is_numeric or labels.size != count or not np.array_equal(labels, np.rint(labels)):
    raise ValueError(
      f"Labels must be an integer or a one-hot row for each of the {count} images, got "
      f"{list(labels.shape)} of {labels.dtype}."
    )
  labels = labels.reshape(-1).astype(np.int64)
  return labels, max(classes, int(labels.max(initial=-1)) + 1)
