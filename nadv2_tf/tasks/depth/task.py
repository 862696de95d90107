"""Depth estimation: a map in metres from one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from nadv2_tf.options.training import PLAIN
from nadv2_tf.tasks.cut import USUAL
from nadv2_tf.tasks.depth import map_format, picture, sources
from nadv2_tf.tasks.depth.augmentation import DepthAugmentation
from nadv2_tf.tasks.depth.measures import FACTOR, SMALLEST_M, evaluate_maps
from nadv2_tf.tasks.examples import Datasets, check_holdout, shuffle
from nadv2_tf.tasks.task import TASKS

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Sequence

  from nadv2_tf.options import TrainOptions
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.depth.measures import DepthEvaluation
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.sources import Source
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath, Tensor

OWN_AUGMENTATION = "images and depth maps are augmented alike, in a way of their own"


@TASKS.register("depth")
class Depth:
  """The task of estimating the depth of every pixel; see `Task`.

  Args:
    data: `tfds:NAME`, `folder:DIR` or `rooms:COUNT`.
    image_size: height and width of the network's input and output.
    holdout: images cut from the end of the training set to score samples with: neighbours in a
      data set often show the same room, and a random cut would have every room in both parts.
    seed: of the order of the training images.
    train: `TrainOptions`, of which nothing is for its loss.
    how, whole_pictures, cache_bytes: must not ask for streamed images.
    cut: which part of the data is the test part.
    **settings: fields of `map_format.MapFormat`.
  """

  name: ClassVar[str] = "depth"
  quality_name: ClassVar[str] = "delta1"
  output: ClassVar[str] = "depth in metres"
  settings: ClassVar[tuple[str, ...]] = map_format.SETTINGS
  loss_options: ClassVar[tuple[str, ...]] = ()

  def __init__(
    self,
    data: str,
    image_size: int,
    holdout: int,
    seed: int,
    train: TrainOptions = PLAIN,
    how: str = "memory",
    whole_pictures: bool = False,
    cache_bytes: int = 0,
    cut: Cut = USUAL,
    **settings: Any,
  ) -> None:
    if how == "stream" or cache_bytes:
      raise ValueError(
        "--input=stream and --input_cache_gib are for classification; depth data is read into "
        "memory."
      )
    if whole_pictures:
      raise ValueError(f"--augmentation must be shift for depth: {OWN_AUGMENTATION}.")
    if cut.share is not None:
      raise ValueError("--test_share is for classification; --depth_test says how many pairs.")
    self._data = data
    self._cut = cut
    self._image_size = image_size
    self._holdout = holdout
    self._seed = seed
    self._format = map_format.MapFormat(**settings)

  @staticmethod
  def fits(output_shape: Sequence[int]) -> bool:
    """A map of one channel."""
    return len(output_shape) == 3 and output_shape[-1] == 1

  def source(self) -> Source:
    return sources.load(self._data, self._image_size, self._format, self._cut)

  def datasets(self) -> Datasets:
    """`Datasets`; raises ValueError if the data cannot be used."""
    loaded: Any = self.source()  # all of it is in memory
    check_holdout(len(loaded.train), self._holdout)
    train = loaded.train.take(slice(None, -self._holdout))
    # Stages take the first so many for statistics; without this they would see a single room.
    shuffle(train, np.random.default_rng([self._seed, 0]))
    holdout = loaded.train.take(slice(-self._holdout, None))
    return Datasets(train, holdout, loaded.test, (), loaded.notes)

  def outputs(self, data: Source | Datasets) -> int:
    return 1

  def check_outputs(self, output_shape: Sequence[int], data: Source | Datasets) -> None:
    maps = data.test.labels.shape[1:]
    if tuple(output_shape) != maps:
      raise ValueError(
        f"The network gives maps of {list(output_shape)}, those of --data={self._data} have "
        f"{list(maps)}."
      )

  def usual_outputs(self, examples: Examples | StreamedExamples) -> tuple[float, float]:
    """Median of the depths, and half of the range of the middle two thirds, in metres.

    From a start at 0 m small learning rates take hundreds of steps to reach the room.
    """
    depths = examples.labels[:: 1 + len(examples) // 256]
    low, median, high = np.percentile(depths[depths > 0].astype(np.float32), (16, 50, 84))
    return float(median), float((high - low) / 2)

  def augmentation(self, kind: str, shift: int, mirror: bool = True) -> DepthAugmentation:
    """Scale, rotation, mirroring and colours, as `DepthAugmentation`; `shift` is not used."""
    if kind != "shift":
      raise ValueError(f"--augmentation={kind} is for classification; {OWN_AUGMENTATION}.")
    return DepthAugmentation(mirror)

  def loss(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """Mean absolute error over each image's valid pixels, metres, [batch]; 0 without any."""
    targets, valid, pixels = _valid(targets, outputs)
    error = keras.ops.abs(outputs - targets) * valid
    return keras.ops.sum(error, axis=(1, 2, 3)) / pixels

  def imitation(self, teacher: Tensor, outputs: Tensor) -> Tensor:
    """Mean absolute difference from another network's maps, metres, [batch]."""
    return keras.ops.mean(keras.ops.abs(outputs - teacher), axis=(1, 2, 3))

  def quality(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """delta1 of each image, [batch]: the share of its valid pixels within a factor of 1.25."""
    targets, valid, pixels = _valid(targets, outputs)
    targets = keras.ops.where(valid > 0, targets, keras.ops.ones_like(targets))
    outputs = keras.ops.maximum(outputs, SMALLEST_M)
    factor = keras.ops.maximum(outputs / targets, targets / outputs)
    right = keras.ops.cast(factor < FACTOR, outputs.dtype) * valid
    return keras.ops.sum(right, axis=(1, 2, 3)) / pixels

  def same_outputs(self, targets: np.ndarray) -> np.ndarray:
    """The median depth everywhere: [batch, height, width, 1]."""
    known = targets[targets > 0]
    median = np.float32(np.median(known) if known.size else 1)
    return np.broadcast_to(median, targets.shape)

  def evaluate(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> DepthEvaluation:
    """`DepthEvaluation`: RMSE, delta1 to delta3, REL, log10."""
    return evaluate_maps(batches)

  def describe(self, evaluation: DepthEvaluation, data: Source | Datasets) -> list[str]:
    return [
      f"{evaluation.examples} images",
      *(f"  {title:24s} {value:.4f}" for title, value in evaluation.measures.items()),
    ]

  def draw(
    self,
    predict: Callable[[np.ndarray], np.ndarray],
    examples: Examples | StreamedExamples,
    path: AnyPath,
  ) -> None:
    """Writes image, truth, prediction and error of some examples, side by side."""
    picture.draw(predict, examples, path)


def _valid(targets: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
  """(targets, 1 where there is depth, number of such pixels but at least 1), as the outputs."""
  targets = keras.ops.cast(targets, outputs.dtype)
  valid = keras.ops.cast(targets > 0, outputs.dtype)
  return targets, valid, keras.ops.maximum(keras.ops.sum(valid, axis=(1, 2, 3)), 1.0)
