"""Which part of a data set is its test part."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Sequence

#: of data without a test part, where --test_share is not given
TEST_SHARE = 0.2
#: names of test parts; the first that is there and has labels is taken
TEST_PARTS = ("test", "val", "validation", "valid")


@dataclasses.dataclass(frozen=True)
class Cut:
  """What is asked for.

  Attributes:
    split: name of the test part; None for the first of `TEST_PARTS` that has labels.
    share: of the images, where there is no test part; None for `TEST_SHARE`.
  """

  split: str | None = None
  share: float | None = None

  def parts_in(self, root: pathlib.Path) -> list[str]:
    """Names of the parts that a folder has: train, the usual test parts, and what is asked for."""
    names = dict.fromkeys(("train", *TEST_PARTS, *([self.split] if self.split else [])))
    return [name for name in names if (root / name).is_dir()]

  def check(self, source: str, parts: Sequence[str]) -> None:
    """Raises ValueError for what does not go with data of such parts, with or without "train"."""
    if "train" in parts and self.share is not None and len(parts) > 1:
      raise ValueError(
        f"--test_share is for data without a test part; --data={source} has {', '.join(parts)}."
      )
    if self.split is not None and (self.split == "train" or self.split not in parts):
      others = ", ".join(part for part in parts if part != "train") or "none"
      raise ValueError(
        f"--test_split must be a part of --data={source} beside train, which are {others}; got "
        f"{self.split!r}."
      )

  def is_test(self, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
    """Whether each of so many images is in the test part, by a hash of its name: bool [images].

    Of each class the share with the smallest hashes is, and of two or more images at least one in
    each part. A file that comes in or goes moves at most one other.

    Args:
      names: of the images, each its own.
      labels: their classes, int64 [images].
    """
    share = TEST_SHARE if self.share is None else self.share
    hashes = np.array([_hash(name) for name in names])
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
      own = np.flatnonzero(labels == label)
      count = min(max(round(share * len(own)), 1), len(own) - 1)
      chosen[own[np.argsort(hashes[own])[:count]]] = True
    return chosen

  def told(self, source: str, chosen: np.ndarray) -> str:
    """What was done, for the user."""
    share = TEST_SHARE if self.share is None else self.share
    return (
      f"--data={source} has no test part: {chosen.sum()} of its {len(chosen)} images, chosen by a "
      f"hash of their names (--test_share={share:g}), are the test part"
    )


#: nothing is asked for
USUAL = Cut()


def _hash(name: str) -> str:
  return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).hexdigest()
