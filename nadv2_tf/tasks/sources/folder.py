"""A folder with `train/` and `test/` (or `val/`), and in each one sub-folder per class.

Or with the classes' folders in it; then a part of their pictures is the test part.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.tasks.cut import TEST_PARTS
from nadv2_tf.tasks.records import Files
from nadv2_tf.tasks.sources.registry import STREAMS, Found
from nadv2_tf.tasks.walk import counted, files_below, folders_in, loose_pictures

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.tasks.cut import Cut

LAYOUT = (
  "--data=folder:DIR needs DIR/train and DIR/test (or DIR/val) with one sub-folder per class, or "
  "these sub-folders in DIR itself."
)


@STREAMS.register("folder")
def find(place: str, cut: Cut) -> Found:
  root = pathlib.Path(place).expanduser()
  train = root / "train"
  if not train.is_dir():
    return _found_whole(place, root, cut)
  cut.check(f"folder:{place}", cut.parts_in(root))
  class_names = _class_names(train)
  of_train = _files(train, class_names, f"folder:{place}")
  test, notes = _test_part(root, class_names, cut.split)
  unknown = sorted(set(folders_in(test)) - set(class_names))
  if unknown:
    raise ValueError(
      f"{test / unknown[0]} is a class that {train} does not have; its classes: "
      f"{', '.join(class_names)}."
    )
  of_test = _files(test, class_names, f"folder:{place}")
  notes = (*notes, *_loose(train), *_loose(test))
  return Found(of_train, of_test, 3, class_names, notes)


def _found_whole(place: str, root: pathlib.Path, cut: Cut) -> Found:
  """Class folders in `root` itself, cut by the names of their pictures."""
  names = tuple(folders_in(root)) if root.is_dir() else ()
  # Capital letters are others on some systems: Train and Test are no classes.
  if len(names) < 2 or {"train", *TEST_PARTS} & {name.lower() for name in names}:
    raise ValueError(f"{root / 'train'} is not a folder; {LAYOUT}")
  cut.check(f"folder:{place}", ())
  every = _files(root, names, f"folder:{place}")
  short = [pathlib.Path(path).relative_to(root).as_posix() for path in every.paths]
  is_test = cut.is_test(short, every.labels)
  train, test = (every.take(np.flatnonzero(chosen)) for chosen in (~is_test, is_test))
  told = f"{cut.told(f'folder:{place}', is_test)}; its classes: {', '.join(names[:20])}"
  told += ", ..." if len(names) > 20 else ""
  return Found(train, test, 3, names, (told, *_loose(root)))


def _class_names(train: pathlib.Path) -> tuple[str, ...]:
  names = tuple(folders_in(train))
  if len(names) < 2:
    raise ValueError(
      f"{train} has {len(names)} class folders; at least 2 are needed, one per class."
    )
  return names


def _test_part(
  root: pathlib.Path, class_names: Sequence[str], split: str | None
) -> tuple[pathlib.Path, tuple[str, ...]]:
  """(the test part's folder, notes): the first whose pictures lie in class folders."""
  names = [split] if split else [name for name in TEST_PARTS if (root / name).is_dir()]
  if not names:
    raise ValueError(f"{root / TEST_PARTS[0]} is not a folder; {LAYOUT}")
  for number, name in enumerate(names):
    if _is_labelled(root / name, class_names):
      without = [str(root / other) for other in names[:number]]
      told = (
        f"{' and '.join(without)}: no pictures in class folders, so no labels; the test part is"
      )
      return root / name, (f"{told} {root / name}",) if without else ()
  test = root / names[0]
  if not folders_in(test):
    raise ValueError(
      f"{test} has no class folders, so its pictures have no labels; {LAYOUT} --test_split names "
      "another part."
    )
  return test, ()


def _is_labelled(part: pathlib.Path, class_names: Sequence[str]) -> bool:
  return any(files_below(part / name) for name in folders_in(part) if name in class_names)


def _files(folder: pathlib.Path, class_names: Sequence[str], source: str) -> Files:
  paths: list[str] = []
  labels: list[int] = []
  for label, name in enumerate(class_names):
    found = files_below(folder / name) if (folder / name).is_dir() else []
    paths += found
    labels += [label] * len(found)
  if not paths:
    raise ValueError(f"{folder} has no images in its class folders.")
  return Files(source, paths, np.array(labels, np.int64))


def _loose(part: pathlib.Path) -> list[str]:
  found = list(loose_pictures(part))
  if not found:
    return []
  many = counted(found, "picture lies", "pictures lie")
  return [f"{many} beside the class folders and in none, and is no part; the first is {found[0]}"]
