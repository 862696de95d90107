"""Files that would run code, or fill the memory, are refused; what they hold does nothing."""

import io
import pickle
import zipfile
import zlib

import numpy as np
import pytest
from file_readers import READERS, png, read_checkpoint, read_keras, read_weights, saved

from nadv2_tf.benchmarks.timing.errors import TimingError
from nadv2_tf.tasks import images
from nadv2_tf.tasks.sources import npz


class _Bomb:
  """Pickled, it would make a file where it is read."""

  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return open, (str(self._path), "w")


def test_pickled_arrays_are_refused(tmp_path):
  mark, path = tmp_path / "mark", tmp_path / "data.npz"
  np.savez(path, x_train=np.array([_Bomb(mark)], object), **dict.fromkeys(npz.ARRAYS[1:], 1))
  with pytest.raises(ValueError, match="Cannot read the archive .*allow_pickle=False"):
    npz.read(path, lambda array: array)
  readers = {"c.npz": read_checkpoint, "n.keras": read_keras, "w.weights.h5": read_weights}
  for name, read in readers.items():
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(mark)))
    with pytest.raises(ValueError, match=name):
      read(tmp_path / name)
  assert not mark.exists()
  with pytest.raises(Exception, match=".*"):
    pickle.loads(pickle.dumps(_Bomb(mark / "below")))  # the bomb itself does go off


def test_a_keras_file_with_code_in_it_is_refused(tmp_path):
  import keras

  path = tmp_path / "code.keras"
  function = keras.layers.Lambda(lambda x: x * 2, output_shape=(4,))
  keras.Sequential([keras.Input((4,)), function]).save(path)
  with pytest.raises(ValueError, match=r"code\.keras cannot be read as a Keras model: .*Lambda"):
    read_keras(path)


def test_a_keras_file_of_a_huge_network_is_refused(tmp_path):
  path = tmp_path / "huge.keras"
  content = saved(tmp_path, "sample.keras")
  with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
    for name in old.namelist():
      part = old.read(name)
      new.writestr(name, part.replace(b'"units": 3', b'"units": 300000000000'))
  with pytest.raises(ValueError, match="config.json has the number 300000000000"):
    read_keras(path)


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(images, "LARGEST_BYTES", 2**30)
  path = tmp_path / "bomb.npz"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("x_train.npy", b"\0" * 1000)
  content = bytearray(path.read_bytes())
  place = content.rindex(b"x_train.npy") - 46 + 24  # the size in the central directory
  content[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
  path.write_bytes(content)
  with pytest.raises(
    ValueError, match=r"Cannot read the archive .*bomb\.npz: it unpacks to 4294967280 bytes"
  ):
    npz.read(path, lambda array: array)


def test_an_image_of_too_many_pixels_is_refused_unread(tmp_path):
  path = tmp_path / "bomb.png"
  content = bytearray(png())
  content[16:24] = (100_000).to_bytes(4, "big") * 2
  content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
  path.write_bytes(content)
  with pytest.raises(ValueError, match=r"bomb\.png: .*(pixels|decompression bomb)"):
    images.read_image(path, 8)


def test_an_image_that_is_a_program_is_refused(tmp_path):
  path = tmp_path / "page.png"
  path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
  with pytest.raises(ValueError, match=r"page\.png: cannot identify image file"):
    images.read_image(path, 8)


@pytest.mark.parametrize(
  "name", ["spec.json", "table.csv", "blocks.json", "result.pb", "runtime_info.pb", "litert.json"]
)
def test_a_file_without_an_end_is_refused(tmp_path, name):
  path = tmp_path / name
  path.symlink_to("/dev/zero")
  with pytest.raises((ValueError, TimingError), match="is no ordinary file"):
    READERS[name][1](path)
