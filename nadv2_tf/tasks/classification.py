"""Image classification: data, loss and quality measure."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from nadv2_tf.options.training import PLAIN
from nadv2_tf.tasks import sources
from nadv2_tf.tasks.augmentation import Augmentation
from nadv2_tf.tasks.classification_measures import evaluate_logits
from nadv2_tf.tasks.cut import USUAL
from nadv2_tf.tasks.examples import Datasets, Examples, split_holdout
from nadv2_tf.tasks.task import TASKS

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Sequence

  from nadv2_tf.options import TrainOptions
  from nadv2_tf.tasks.classification_measures import Evaluation
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.sources import Source
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath, Tensor


@TASKS.register("classification")
class Classification:
  """The task of telling classes apart; see `Task`.

  Args:
    data: `demo`, `tfds:NAME`, `folder:DIR` or `npz:FILE`.
    image_size: height and width of the network's input.
    holdout: images cut from the training set to score samples with.
    seed: of the cut.
    train: `TrainOptions`, for what they say of the loss.
    how: "memory", "stream" or "auto"; see `sources.load`, also for the other two.
    whole_pictures: training wants pictures as they are in their files.
    cache_bytes: how much of streamed files is kept in memory.
    cut: which part of the data is the test part.
  """

  name: ClassVar[str] = "classification"
  quality_name: ClassVar[str] = "accuracy"
  output: ClassVar[str] = ""
  settings: ClassVar[tuple[str, ...]] = ()
  loss_options: ClassVar[tuple[str, ...]] = ("label_smoothing",)

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
  ) -> None:
    #: see `with_sigmoids`
    self._has_sigmoids = False
    self._loading: dict[str, Any] = {
      "how": how,
      "whole_pictures": whole_pictures,
      "cache_bytes": cache_bytes,
      "cut": cut,
    }
    self._data = data
    self._image_size = image_size
    self._holdout = holdout
    self._seed = seed
    self._train = train

  def with_sigmoids(self) -> Classification:
    """The same task for a network that ends in a sigmoid for each class.

    Softmax of logits stays the same when all of an image's are raised; the sigmoids do not.
    """
    task = copy.copy(self)
    task._has_sigmoids = True
    return task

  @staticmethod
  def fits(output_shape: Sequence[int]) -> bool:
    """Logits are a row for each image."""
    return len(output_shape) == 1

  def source(self) -> Source:
    return sources.load(self._data, self._image_size, **self._loading)

  def datasets(self) -> Datasets:
    """`Datasets`, the hold-out in memory; raises ValueError if the data cannot be used."""
    loaded: Any = self.source()  # its parts are of one kind
    train, holdout = split_holdout(loaded.train, self._holdout, self._seed)
    everything = None
    if not isinstance(train, Examples):  # in this order: the first ones are of all classes
      together = np.concatenate([train.indices, holdout.indices])
      everything = dataclasses.replace(train, indices=together)
    notes = loaded.notes
    if train.knows_labels:
      notes += _held_out_whole(loaded.train.labels, train.labels, loaded.class_names, self._data)
    return Datasets(train, holdout.decoded(), loaded.test, loaded.class_names, notes, everything)

  def outputs(self, data: Source | Datasets) -> int:
    return len(data.class_names)

  def check_outputs(self, output_shape: Sequence[int], data: Source | Datasets) -> None:
    if output_shape[-1] != len(data.class_names):
      raise ValueError(
        f"The network tells {output_shape[-1]} classes apart, --data={self._data} has "
        f"{len(data.class_names)}."
      )

  def usual_outputs(self, examples: Examples | StreamedExamples) -> None:
    """Not known: logits start at 0."""

  def augmentation(self, kind: str, shift: int, mirror: bool = True) -> Augmentation:
    """An `Augmentation`."""
    return Augmentation(kind, shift, mirror)

  def loss(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """Cross entropy, [batch], of int labels [batch] and logits [batch, classes]."""
    classes = outputs.shape[-1]
    smooth = self._train.label_smoothing
    one_hot = keras.ops.one_hot(targets, classes, dtype=outputs.dtype)
    one_hot = one_hot * (1 - smooth) + smooth / (2 if self._has_sigmoids else classes)
    if self._has_sigmoids:
      return keras.losses.binary_crossentropy(one_hot, outputs, from_logits=True)
    return keras.losses.categorical_crossentropy(one_hot, outputs, from_logits=True)

  def imitation(self, teacher: Tensor, outputs: Tensor) -> Tensor:
    """Cross entropy, [batch], of the teacher's probabilities; both are logits."""
    if self._has_sigmoids:
      return keras.losses.binary_crossentropy(keras.ops.sigmoid(teacher), outputs, from_logits=True)
    return keras.losses.categorical_crossentropy(
      keras.ops.softmax(teacher), outputs, from_logits=True
    )

  def quality(self, targets: Tensor, outputs: Tensor) -> Tensor:
    """1 where the class is right, else 0: [batch]."""
    right = keras.ops.equal(
      keras.ops.cast(keras.ops.argmax(outputs, axis=-1), "int64"),
      keras.ops.cast(targets, "int64"),
    )
    return keras.ops.cast(right, "float32")

  def same_outputs(self, targets: np.ndarray) -> np.ndarray:
    """The most frequent class of all: [batch, classes]."""
    counts = np.bincount(targets)
    same = (counts == counts.max()).astype(np.float32)
    return np.broadcast_to(same, (len(targets), len(same)))

  def evaluate(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Evaluation:
    """`Evaluation`: top-1, top-5, per class."""
    logits, labels = map(np.concatenate, zip(*batches, strict=True))
    return evaluate_logits(logits, labels, logits.shape[-1])

  def describe(self, evaluation: Evaluation, data: Source | Datasets) -> list[str]:
    top_5 = "-" if evaluation.top_5 is None else f"{evaluation.top_5:.2%}"
    return [
      f"top-1  {evaluation.accuracy:.2%} of {evaluation.examples} images",
      f"top-5  {top_5}",
      *(
        f"  {name:20s} " + ("no images" if share is None else f"{share:.2%}")
        for name, share in zip(data.class_names, evaluation.per_class, strict=True)
      ),
    ]

  def draw(
    self,
    predict: Callable[[np.ndarray], np.ndarray],
    examples: Examples | StreamedExamples,
    path: AnyPath,
  ) -> None:
    """Nothing: classes need no picture."""


def _held_out_whole(
  every: np.ndarray, left: np.ndarray, class_names: Sequence[str], data: str
) -> tuple[str, ...]:
  """A note on classes of whose images the hold-out took all; labels before and after."""
  names = [class_names[label] for label in np.setdiff1d(every, left)]
  if not names:
    return ()
  told = ", ".join(names[:5]) + ", ..." * (len(names) > 5)
  return (
    f"--data={data}: the hold-out has all training images of {len(names)} of {len(class_names)} "
    f"classes: {told}; a smaller --holdout leaves more",
  )
