"""Image classification: data, loss and quality measure."""

import keras

from nadv2_tf.tasks import sources
from nadv2_tf.tasks.examples import Datasets, split_holdout


class Classification:
  """The task of telling classes apart.

  Args:
    data: `demo`, `tfds:NAME`, `folder:DIR` or `npz:FILE`.
    image_size: height and width of the network's input.
    holdout: images cut from the training set to score samples with.
    seed: of the cut.
    label_smoothing: of the loss.
    how: "memory", "stream" or "auto"; see `sources.load`, also for the other two.
    whole_pictures: training wants pictures as they are in their files.
    cache_bytes: how much of streamed files is kept in memory.
  """

  name = "classification"

  def __init__(
    self,
    data,
    image_size,
    holdout,
    seed,
    label_smoothing=0.0,
    how="memory",
    whole_pictures=False,
    cache_bytes=0,
  ):
    self._loading = {"how": how, "whole_pictures": whole_pictures, "cache_bytes": cache_bytes}
    self._data = data
    self._image_size = image_size
    self._holdout = holdout
    self._seed = seed
    self._label_smoothing = label_smoothing

  def datasets(self):
    """`Datasets`, the hold-out in memory; raises ValueError if the data cannot be used."""
    loaded = sources.load(self._data, self._image_size, **self._loading)
    train, holdout = split_holdout(loaded.train, self._holdout, self._seed)
    return Datasets(train, holdout.decoded(), loaded.test, loaded.class_names)

  def loss(self, targets, outputs):
    """Cross entropy, [batch], of int labels [batch] and logits [batch, classes]."""
    classes = outputs.shape[-1]
    smooth = self._label_smoothing
    one_hot = keras.ops.one_hot(targets, classes, dtype=outputs.dtype)
    one_hot = one_hot * (1 - smooth) + smooth / classes
    return keras.losses.categorical_crossentropy(one_hot, outputs, from_logits=True)

  def imitation(self, teacher, outputs):
    """Cross entropy, [batch], of the teacher's probabilities; both are logits."""
    return keras.losses.categorical_crossentropy(
      keras.ops.softmax(teacher), outputs, from_logits=True
    )

  def quality(self, targets, outputs):
    """1 where the class is right, else 0: [batch]."""
    right = keras.ops.equal(
      keras.ops.cast(keras.ops.argmax(outputs, axis=-1), "int64"),
      keras.ops.cast(targets, "int64"),
    )
    return keras.ops.cast(right, "float32")
