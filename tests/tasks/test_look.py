"""Before a training every part of the data is looked at; what is broken ends the run there."""

import itertools
import pathlib

import numpy as np
import pytest
from odd_pictures import broken_inside, encoded, pixels

from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.depth import Depth
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.tasks.look import look_through

CLASSES = ("ant", "bee")
HOLDOUT = 4
#: {what is wrong: the file's bytes of its good ones}
DAMAGE = {
  "empty": lambda content: b"",
  "cut off": lambda content: content[: len(content) // 2],
  "no picture": lambda content: b"<html>not found</html>",
  "16 bits": lambda content: encoded("PNG", np.zeros((9, 9), np.uint16)),
  "broken inside": lambda content: broken_inside(pixels(9, 9)),
}


@pytest.fixture
def folder(tmp_path):
  for part, name, number in itertools.product(("train", "test"), CLASSES, range(6)):
    path = tmp_path / part / name / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded("PNG", pixels(9, 9, number)))
  return tmp_path


def _prepared(root, how):
  """The data as a command has it before it trains, and what was told."""
  data = Classification(f"folder:{root}", 8, HOLDOUT, 0, how=how).datasets()
  return data, look_through(data)


def _path_in(root, part):
  """A file of a part; of the hold-out by what the cut gives."""
  data = Classification(f"folder:{root}", 8, HOLDOUT, 0, how="stream").datasets()
  if part != "holdout":
    examples = getattr(data, part)
    return pathlib.Path(examples.records.name(examples.indices[3]))
  records = data.everything.records  # the training's come first in it, then the hold-out's
  return pathlib.Path(records.name(data.everything.indices[-1]))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("part", ["train", "holdout", "test"])
@pytest.mark.parametrize("how", ["memory", "stream"])
def test_a_picture_broken_in_any_part_is_found_before_training(folder, how, part, damage):
  path = _path_in(folder, part)
  _prepared(folder, how)
  path.write_bytes(DAMAGE[damage](path.read_bytes()))
  if (how, part, damage) == ("stream", "train", "broken inside"):
    data, _ = _prepared(folder, how)  # found by the training, which is saved then
    with pytest.raises(ValueError, match=f"^Cannot read the image {path}: "):
      data.train.decoded()
    return
  with pytest.raises(ValueError, match=f"^Cannot read the image {path}: ") as error:
    _prepared(folder, how)
  assert "\n" not in str(error.value)


def test_how_long_the_look_took_is_told_of_a_stream(folder):
  assert _prepared(folder, "memory")[1] == ()
  data, (note,) = _prepared(folder, "stream")
  assert note.startswith(f"{12 - HOLDOUT + 12} streamed pictures were looked at in ")
  looked_at = []
  look_through(data, looked_at.append)
  assert looked_at == [12 - HOLDOUT, 12 - HOLDOUT + 12]


def test_a_file_that_is_gone_meanwhile_is_named(folder):
  data, _ = _prepared(folder, "stream")
  path = pathlib.Path(data.test.records.name(5))
  path.unlink()
  with pytest.raises(ValueError, match=f"^Cannot read the image {path}: .*No such file"):
    look_through(data)


@pytest.mark.parametrize("half", ["rgb", "depth"])
@pytest.mark.parametrize("place", [0, 6, 9])  # of ten pairs: to train on, hold-out, test
def test_a_pair_broken_in_any_part_is_found_before_training(rooms, half, place):
  root, _ = rooms(10)
  task = Depth(f"folder:{root}", 16, 3, 0)
  assert isinstance(task.datasets().train, Examples)  # all of it is decoded
  (path,) = (root / half).glob(f"{place:03d}.*")
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(ValueError, match=f"^Cannot read the image {path}: "):
    task.datasets()
