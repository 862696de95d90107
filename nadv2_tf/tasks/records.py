"""Where streamed pictures lie: files of their own, or records of TFRecord files.

Records have `source` (the value of --data), a length, `name(index)` for errors, `label(index)`,
`read(index)`, which gives (the encoded picture's bytes, its label), `look(index, mode)`, which
looks at a picture without decoding it and gives its label, and `knows_labels`: whether labels are
there without a file being read.
"""

from __future__ import annotations

import bisect
import concurrent.futures
import contextlib
import io
import os
import pathlib
import struct
import threading
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks import images

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator, Sequence
  from typing import BinaryIO, TypeAlias

  from nadv2_tf.types import AnyPath

  #: what `StreamedExamples` read
  Records: TypeAlias = "Files | TFRecords | Kept | CachedRecords"

#: a TFRecord is its length (8 bytes), a checksum of it (4), the data, and a checksum of that (4)
HEADER, FOOTER = 12, 4
#: bytes; what is larger is refused before it fills the memory
LARGEST_PICTURE = 2**28


class Files:
  """Every picture is a file.

  Args:
    source: the value of --data.
    paths, labels: of the pictures.
  """

  knows_labels = True

  def __init__(self, source: str, paths: Sequence[str], labels: np.ndarray) -> None:
    self.source = source
    self.paths, self.labels = paths, labels

  def __len__(self) -> int:
    return len(self.paths)

  def take(self, indices: np.ndarray) -> Files:
    """Some of them, as another one."""
    return Files(self.source, [self.paths[index] for index in indices], self.labels[indices])

  def name(self, index: int) -> str:
    return self.paths[index]

  def label(self, index: int) -> int:
    return self.labels[index]

  def read(self, index: int) -> tuple[bytes, int]:
    with self._open(index) as file:
      return _bounded(file, LARGEST_PICTURE + 1), self.labels[index]

  def look(self, index: int, mode: str) -> int:
    with self._open(index) as file:
      images.look(self.paths[index], file, mode)
    return self.labels[index]

  @contextlib.contextmanager
  def _open(self, index: int) -> Iterator[BinaryIO]:
    try:
      with pathlib.Path(self.paths[index]).open("rb") as file:
        yield file
    except images.Unreadable:
      raise
    except (OSError, ValueError) as error:
      raise images.Unreadable(f"Cannot read the image {self.paths[index]}: {error}") from None


class TFRecords:
  """Every picture is a record of a TFRecord file, a `tf.train.Example` as TFDS writes it.

  Making one walks from record to record through all files, without reading the pictures.

  Args:
    source: the value of --data.
    paths: of the files, in order.
    classes: number of classes; other labels are refused when they are read.

  Raises:
    ValueError: naming a file that cannot be read or is cut off.
  """

  knows_labels = False

  def __init__(self, source: str, paths: Iterable[AnyPath], classes: int) -> None:
    self.source = source
    self._paths, self._classes = [os.fspath(path) for path in paths], classes
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
      offsets = list(pool.map(_offsets, self._paths))
    self._offsets = np.concatenate([np.zeros(0, np.int64), *offsets])
    self._starts = np.cumsum([0, *map(len, offsets)])

  def __len__(self) -> int:
    return len(self._offsets)

  def name(self, index: int) -> str:
    return f"in {self._paths[self._file(index)]} at byte {self._offsets[index]}"

  def label(self, index: int) -> int:
    return self.read(index)[1]

  def read(self, index: int) -> tuple[bytes, int]:
    return _checked(self, index, self._classes)

  def unchecked(self, index: int) -> tuple[bytes, int]:
    """What `read` gives, whatever its label is."""
    from tensorflow.train import Example

    path, offset = self._paths[self._file(index)], self._offsets[index]
    try:
      with pathlib.Path(path).open("rb") as file:
        file.seek(offset)
        (length,) = struct.unpack_from("<Q", file.read(HEADER))
        features = Example.FromString(_bounded(file, length)).features.feature
      content = features["image"].bytes_list.value[0]
      label = features["label"].int64_list.value[0]
    except Exception as error:  # protobuf's own kind among them
      line = str(error).partition("\n")[0] or type(error).__name__
      raise images.Unreadable(f"Cannot read the image {self.name(index)}: {line}") from None
    return content, label

  def look(self, index: int, mode: str) -> int:
    return _look_in_memory(self, index, mode)

  def _file(self, index: int) -> int:
    return bisect.bisect_right(self._starts, index) - 1


class Kept:
  """Pictures that are read all at once, and then kept in memory as they are in their files.

  Args:
    source: the value of --data.
    part: what errors call them.
    count: how many there are.
    classes: number of classes; other labels are refused when they are read.
    read: gives all, [(the encoded picture's bytes, its label)].
  """

  knows_labels = False

  def __init__(
    self,
    source: str,
    part: str,
    count: int,
    classes: int,
    read: Callable[[], list[tuple[bytes, int]]],
  ) -> None:
    self.source = source
    self._part, self._count, self._classes = part, count, classes
    self._read, self._lock = read, threading.Lock()
    self._all: list[tuple[bytes, int]] = []

  def __len__(self) -> int:
    return self._count

  def name(self, index: int) -> str:
    return f"in {self.source}, {self._part} example {index}"

  def label(self, index: int) -> int:
    return self.read(index)[1]

  def read(self, index: int) -> tuple[bytes, int]:
    return _checked(self, index, self._classes)

  def unchecked(self, index: int) -> tuple[bytes, int]:
    """What `read` gives, whatever its label is."""
    with self._lock:
      self._all = self._all or self._read()
    return self._all[index]

  def look(self, index: int, mode: str) -> int:
    return _look_in_memory(self, index, mode)


def _checked(records: TFRecords | Kept, index: int, classes: int) -> tuple[bytes, int]:
  """A picture's bytes and its label; raises ValueError for a label that is none of the classes."""
  content, label = records.unchecked(index)
  if not 0 <= label < classes:
    raise ValueError(
      f"The image {records.name(index)} has the label {label}, which is outside the {classes} "
      "classes."
    )
  return content, label


def _look_in_memory(records: TFRecords | Kept, index: int, mode: str) -> int:
  content, label = records.read(index)
  images.look(records.name(index), io.BytesIO(content), mode)
  return label


def _bounded(file: BinaryIO, length: int) -> bytes:
  """The next `length` bytes of an open file; raises ValueError for more than a picture takes."""
  content = file.read(min(length, LARGEST_PICTURE + 1))
  if len(content) > LARGEST_PICTURE:
    raise ValueError(f"it takes more than {LARGEST_PICTURE} bytes")
  return content


def _offsets(path: AnyPath) -> np.ndarray:
  """Where each record of a TFRecord file starts, int64."""
  offsets = []
  try:
    with pathlib.Path(path).open("rb", buffering=0) as file:
      size, at = os.fstat(file.fileno()).st_size, 0
      while at < size:
        file.seek(at)
        header = file.read(HEADER)
        offsets.append(at)
        at += HEADER + FOOTER
        if len(header) == HEADER:
          at += struct.unpack_from("<Q", header)[0]
        if at > size:
          raise ValueError(f"the file ends within the record at byte {offsets[-1]}")
  except (OSError, ValueError) as error:
    raise ValueError(f"Cannot read the TFRecord file {path}: {error}") from None
  return np.array(offsets, np.int64)


class CachedRecords:
  """Records that are kept in memory, encoded as they are, until so many bytes are full."""

  _kept: dict[int, tuple[bytes, int]]

  def __init__(self, records: Files | TFRecords | Kept, most_bytes: int) -> None:
    self.source, self.name, self.label = records.source, records.name, records.label
    self.look, self.knows_labels = records.look, records.knows_labels
    self._records, self._left = records, most_bytes
    self._kept, self._lock = {}, threading.Lock()

  def __len__(self) -> int:
    return len(self._records)

  def read(self, index: int) -> tuple[bytes, int]:
    kept = self._kept.get(int(index))
    if kept is None:
      kept = self._records.read(index)
      with self._lock:
        if len(kept[0]) <= self._left and int(index) not in self._kept:
          self._left -= len(kept[0])
          self._kept[int(index)] = kept
    return kept
