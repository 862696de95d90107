"""`folder:DIR` as users have it: its classes, the files that count, and what is the test part."""

import os
import shutil

import numpy as np
import pytest
from odd_pictures import encoded, pixels

from nadv2_tf.tasks import sources, walk
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.cut import Cut

SIZE = 8
HOW = ("memory", "stream")


def _fill(folder, count, first=0):
  folder.mkdir(parents=True, exist_ok=True)
  for number in range(first, first + count):
    (folder / f"{number}.png").write_bytes(encoded("PNG", pixels(9, 9, number)))


@pytest.fixture
def folder(tmp_path):
  """Three training and two test pictures of each of two classes."""
  root = tmp_path / "my pictures"
  for part, count in (("train", 3), ("test", 2)):
    for name in ("ant", "bee"):
      _fill(root / part / name, count)
  return root


def _load(root, how="memory", **cut):
  return sources.load(f"folder:{root}", SIZE, how, cut=Cut(**cut))


# --- classes


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
  "name", [".ipynb_checkpoints", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information"]
)
def test_hidden_and_system_folders_are_no_classes(folder, how, name):
  before = _load(folder, how)
  for part in ("train", "test"):
    (folder / part / name).mkdir()
  _fill(folder / "train" / name, 1)
  _fill(folder / "train" / "bee" / name, 1)
  for part in ("train", "test", "train/ant"):
    (folder / part / "Thumbs.db").write_bytes(b"of Windows")
  loaded = _load(folder, how)
  assert loaded.class_names == ("ant", "bee") and loaded.notes == before.notes == ()
  np.testing.assert_array_equal(loaded.train.labels, before.train.labels)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("inside", [None, "deeper", ".hidden.png"])
def test_a_class_without_training_images_is_named(folder, how, inside):
  """Not silently the class 0, which would move all others."""
  (folder / "train" / "Aardvark").mkdir()
  if inside:
    (folder / "train" / "Aardvark" / inside).mkdir()
  with pytest.raises(
    ValueError, match="1 of 3 classes have no training images: Aardvark. .*remove"
  ):
    _load(folder, how)


def test_a_class_without_training_images_is_told_where_labels_are_numbers(tmp_path):
  """Labels from 1 on: nothing moves, and one output of the network has no use."""
  path = tmp_path / "one.npz"
  x, y = np.stack([pixels(8, 8, n) for n in range(4)]), np.array([1, 2, 1, 2])
  np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
  (note,) = sources.load(f"npz:{path}", SIZE).notes
  assert note == f"--data=npz:{path}: 1 of 3 classes have no training images: 0"


@pytest.mark.parametrize("how", HOW)
def test_a_class_that_the_hold_out_takes_whole_is_told(folder, how):
  _fill(folder / "train" / "cat", 1)
  for seed in range(20):
    data = Classification(f"folder:{folder}", SIZE, 3, seed, how=how).datasets()
    is_whole = 2 in data.holdout.labels
    assert len(data.notes) == is_whole
    if is_whole:
      assert "the hold-out has all training images of 1 of 3 classes: cat;" in data.notes[0]
      return
  pytest.fail("3 of 7 are drawn: in 20 draws the one is not among them once in 70 000 times")


def test_test_images_of_a_class_without_training_images_are_refused(folder):
  _fill(folder / "test" / "cat", 1)
  with pytest.raises(
    ValueError, match="cat is a class that .* does not have; its classes: ant, bee"
  ):
    _load(folder)


def test_a_class_whose_name_is_no_line_is_refused(folder):
  """An exported file could not hold it, which would be known after the training."""
  for part in ("train", "test"):
    (folder / part / "bee").rename(folder / part / "two\nlines")
  with pytest.raises(ValueError, match=r"a class's name must be one line, got 'two\\nlines'"):
    _load(folder)


# --- files


@pytest.mark.parametrize("how", HOW)
def test_names_that_are_no_text_are_names(folder, how):
  """As an archive of another system's alphabet leaves them."""
  place = folder / "train" / "bee"
  try:
    (place / "0.png").rename(place / os.fsdecode(b"\xe4.png"))
  except OSError:
    pytest.skip("names must be text on this file system")
  loaded = _load(folder, how)
  assert len(loaded.train) == 6 and loaded.train.digest() == loaded.train.digest()


@pytest.mark.parametrize("how", HOW)
def test_files_in_sub_folders_of_a_class_count(folder, how):
  _fill(folder / "train" / "ant" / "from the phone" / "2026", 4, 10)
  elsewhere = folder.parent / "elsewhere"
  _fill(elsewhere, 2, 20)
  (folder / "train" / "bee" / "linked").symlink_to(elsewhere)
  (folder / "train" / "bee" / "one.png").symlink_to(elsewhere / "20.png")
  loaded = _load(folder, how)
  assert np.bincount(loaded.train.labels).tolist() == [7, 6] and loaded.notes == ()


@pytest.mark.parametrize("kind", ["dangling", "loop", "pipe"])
@pytest.mark.parametrize("how", HOW)
def test_entries_that_are_no_files_are_counted_and_named(folder, how, kind):
  place = folder / "train" / "bee"
  (place / "deeper").mkdir()
  for name in ("y.png", "deeper/z.png"):
    if kind == "pipe":
      os.mkfifo(place / name)
    else:
      (place / name).symlink_to(place if kind == "loop" else "/not/mounted/picture.png")
  with pytest.raises(ValueError, match=f"bee: 2 entries are no files .* {place}/deeper/z.png"):
    _load(folder, how)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_folder_that_is_not_there_is_named(folder, part):
  """A link to a disk that is not mounted: without it the other classes would move."""
  (folder / part / "Aardvark").symlink_to("/not/mounted/Aardvark")
  with pytest.raises(ValueError, match=f"{part}: 1 entry is no file .* {folder}/{part}/Aardvark"):
    _load(folder)


@pytest.mark.parametrize("how", HOW)
def test_pictures_beside_the_class_folders_are_counted_and_told(folder, how):
  _fill(folder / "train", 2)
  (folder / "train" / "notes.txt").write_text("no picture", encoding="utf-8")
  (note,) = _load(folder, how).notes
  assert note.startswith("2 pictures lie beside the class folders and in none")
  assert note.endswith(f"the first is {folder / 'train' / '0.png'}")


def test_a_file_that_is_no_picture_is_named(folder):
  (folder / "train" / "ant" / "labels.csv").write_text("a,b", encoding="utf-8")
  with pytest.raises(ValueError, match=r"Cannot read the image .*ant/labels\.csv: cannot identify"):
    _load(folder)


# --- where it is


@pytest.mark.parametrize("how", HOW)
def test_a_tilde_is_the_home_folder(folder, how, monkeypatch):
  monkeypatch.setenv("HOME", str(folder.parent))
  loaded = sources.load(f"folder:~/{folder.name}", SIZE, how)
  np.testing.assert_array_equal(loaded.train.images, _load(folder).train.images)


def test_a_tilde_is_the_home_folder_of_archives_too(tmp_path, monkeypatch):
  x, y = np.stack([pixels(8, 8, n) for n in range(4)]), np.array([0, 1, 0, 1])
  np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
  monkeypatch.setenv("HOME", str(tmp_path))
  assert len(sources.load("npz:~/a.npz", SIZE).train) == 4


# --- parts


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_other_names_of_test_parts_are_known(folder, name):
  (folder / "test").rename(folder / name)
  assert len(_load(folder).test) == 4


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("flat", ["files", "one folder", "empty folders"])
def test_a_test_part_without_labels_is_told_and_another_one_taken(folder, how, flat):
  """ImageNet as it is unpacked: `test/` is one heap of files, `val/` is good."""
  (folder / "test").rename(folder / "val")
  if flat == "files":
    _fill(folder / "test", 3)
  else:
    (folder / "test" / "ant").mkdir(parents=True)
  if flat == "one folder":
    (folder / "test" / "ant").rmdir()
    _fill(folder / "test" / "unknown", 3)
  loaded = _load(folder, how)
  assert len(loaded.test) == 4
  (note,) = loaded.notes
  assert f"{folder / 'test'}: no pictures in class folders, so no labels" in note
  assert note.endswith(f"the test part is {folder / 'val'}")


def test_a_test_part_without_labels_and_no_other_is_refused(folder):
  shutil.rmtree(folder / "test")
  _fill(folder / "test", 3)
  with pytest.raises(ValueError, match="test has no class folders, so its pictures have no labels"):
    _load(folder)


def test_test_split_chooses_the_part(folder):
  _fill(folder / "val" / "ant", 1)
  assert len(_load(folder).test) == 4
  _fill(folder / "next year" / "bee", 3)
  assert len(_load(folder, split="val").test) == 1
  assert len(_load(folder, split="next year").test) == 3
  for split in ("train", "holdout"):
    with pytest.raises(
      ValueError, match=f"--test_split must be .* which are test, val; got '{split}'"
    ):
      _load(folder, split=split)


@pytest.mark.parametrize("how", HOW)
def test_class_folders_alone_are_cut_by_a_hash_of_their_names(tmp_path, how):
  for name in ("ant", "bee"):
    _fill(tmp_path / "mine" / name, 60)
  loaded = _load(tmp_path / "mine", how)
  assert len(loaded.train) + len(loaded.test) == 120
  assert np.bincount(loaded.test.labels).tolist() == [12, 12]
  (note,) = loaded.notes
  assert "has no test part: 24 of its 120 images, chosen by a hash" in note
  assert "(--test_share=0.2)" in note and note.endswith("its classes: ant, bee")
  more = _load(tmp_path / "mine", how, share=0.5)
  assert len(more.test) == 60 and "--test_share=0.5" in more.notes[0]


def test_a_new_file_moves_at_most_one_other():
  names = [f"ant/{number}.png" for number in range(100)]
  before = Cut().is_test(names, np.zeros(100, int))
  for number in range(20):
    after = Cut().is_test([f"ant/new {number}.png", *names], np.zeros(101, int))
    assert (after[1:] != before).sum() <= 1
  assert before.sum() == 20 and not before[:20].all()


def test_each_class_is_in_both_parts():
  labels = np.arange(200) // 2  # 100 classes of two
  chosen = Cut().is_test([str(number) for number in range(200)], labels)
  assert (np.bincount(labels[chosen]) == 1).all() and chosen.sum() == 100
  assert not Cut(share=0.001).is_test(["a"], np.zeros(1, int)).any()


def test_a_share_of_what_has_a_test_part_is_refused(folder, tmp_path):
  with pytest.raises(
    ValueError, match="--test_share is for data without a test part; .* train, test"
  ):
    _load(folder, share=0.3)
  with pytest.raises(ValueError, match="--test_split and --test_share are for folder:DIR and tfds"):
    sources.load("demo", SIZE, cut=Cut(share=0.3))


@pytest.mark.parametrize("names", [("Train", "Test"), ("test", "val"), ("train.old", "Train")])
def test_parts_are_not_taken_for_classes(tmp_path, names):
  for name in names:
    _fill(tmp_path / name / "ant", 1)
  with pytest.raises(ValueError, match="train is not a folder; --data=folder:DIR needs DIR/train"):
    _load(tmp_path)


def test_what_systems_leave_is_not_meant():
  assert not any(map(walk.is_meant, [".git", "._1.jpg", "THUMBS.DB", "Desktop.ini", "lost+found"]))
  assert all(map(walk.is_meant, ["a", "_", "macosx", "@home", "1.jpg", "$5"]))
