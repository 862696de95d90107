"""Makes the embedded demo data from the original Fashion-MNIST files.

  python -m nadv2_tf.data.pack --source=FOLDER --output=nadv2_tf/data/fashion_mnist_subset.npz

FOLDER holds the four original `*-ubyte.gz` files (Debian: package dataset-fashion-mnist, folder
/usr/share/datasets/fashion-mnist). The first images of each part are taken, unchanged.
"""

from __future__ import annotations

import gzip
import io
import pathlib
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from absl import app, flags

if TYPE_CHECKING:
  import os
  from collections.abc import Sequence
  from typing import Any

TRAIN_IMAGES = 10_000
TEST_IMAGES = 3_500
SIDE = 28
#: fixed, so that the same images give the same file
ZIP_DATE = (2017, 8, 25, 0, 0, 0)


def read_part(
  folder: str | os.PathLike[str], part: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """The first `count` images, uint8 [count, 28, 28, 1], and labels, uint8 [count]."""
  folder = pathlib.Path(folder)
  images: Any = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
  labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
  images = np.frombuffer(images, np.uint8, offset=16).reshape(-1, SIDE, SIDE, 1)
  return images[:count], np.frombuffer(labels, np.uint8, offset=8)[:count]


def pack(folder: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
  """Writes x_train, y_train, x_test, y_test to the .npz file `output`."""
  x_train, y_train = read_part(folder, "train", TRAIN_IMAGES)
  x_test, y_test = read_part(folder, "t10k", TEST_IMAGES)
  arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
  with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for name, array in arrays.items():
      buffer = io.BytesIO()
      np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
      entry = zipfile.ZipInfo(f"{name}.npy", ZIP_DATE)
      entry.compress_type = zipfile.ZIP_DEFLATED
      archive.writestr(entry, buffer.getvalue())


def main(_: Sequence[str]) -> None:
  pack(SOURCE.value, OUTPUT.value)


if __name__ == "__main__":
  SOURCE = flags.DEFINE_string("source", None, "Folder of the original files.", required=True)
  OUTPUT = flags.DEFINE_string("output", None, "The .npz file to write.", required=True)
  app.run(main)
