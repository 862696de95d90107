"""Looks at every streamed picture before anything is trained, so that none ends a run late."""

from __future__ import annotations

import concurrent.futures
import time
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.sources.registry import without_images
from nadv2_tf.tasks.stream import StreamedExamples, threads

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.tasks.examples import Datasets

#: pictures that one thread looks at before it is asked for more
TOGETHER = 256


def look_through(
  data: Datasets, report: Callable[[int], None] = lambda looked_at: None
) -> tuple[str, ...]:
  """Reads the header, the label and the end of every training picture, and decodes the test's.

  What is in memory was decoded when it was loaded. A training picture whose header and end are
  good, and whose pixels are not, is found when it is read; the training is then saved.

  Args:
    data: `Datasets`.
    report: called with the number of pictures that have been looked at.

  Returns:
    Sentences for the user: how long it took, and classes without training images.

  Raises:
    ValueError: naming the first picture of a part that cannot be read, or whose label is none.
  """
  start, done, notes = time.monotonic(), 0, []

  def of_all(more: int) -> None:
    report(done + more)

  for part, examples, whole in (("training", data.train, False), ("test", data.test, True)):
    if not isinstance(examples, StreamedExamples):
      continue
    labels = _labels_of(examples, whole, of_all)
    done += len(examples)
    if part == "training" and not examples.knows_labels:
      every = np.concatenate([labels, data.holdout.labels])
      without = without_images(every, data.class_names)
      notes += [f"--data={examples.records.source}: {without}"] if without else []
  if not done:
    return ()
  seconds = time.monotonic() - start
  return (f"{done} streamed pictures were looked at in {seconds:.1f} s", *notes)


def _labels_of(
  examples: StreamedExamples, whole: bool, report: Callable[[int], None]
) -> np.ndarray:
  """Labels of all, int64, after a look at each picture, or at the whole of it."""

  def look(first: int) -> list[int]:
    places = examples.indices[first : first + TOGETHER]
    return [examples.decode(index)[1] if whole else examples.look(index) for index in places]

  labels: list[int] = []
  with concurrent.futures.ThreadPoolExecutor(threads()) as pool:
    for some in pool.map(look, range(0, len(examples), TOGETHER)):
      labels += some
      report(len(labels))
  return np.array(labels, np.int64)
