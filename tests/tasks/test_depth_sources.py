"""Depth data: what arrives from good sources, and one clear line for bad ones.

All rooms are synthetic (`nadv2_tf/tasks/depth/rooms.py`).
"""

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks.depth import Depth, map_format, sources
from nadv2_tf.tasks.depth.maps import fit_map
from nadv2_tf.tasks.depth.rooms import cast_room


def load(source, size=24, **settings):
  return sources.load(source, size, map_format.MapFormat(**settings))


@pytest.mark.parametrize("source", ["demo", "npz:x", "folder:", "rooms", "ftp:x"])
def test_unknown_form_lists_the_known_ones(source):
  with pytest.raises(ValueError, match="tfds:NAME, folder:DIR or rooms:COUNT for depth, got"):
    load(source)


# --- rooms


def test_a_room_is_a_box_seen_from_inside():
  for seed in range(20):
    image, depth = cast_room(np.random.default_rng(seed), 64, 48)
    assert image.shape == (48, 64, 3) and image.std() > 5
    assert depth.dtype == np.float32 and np.isfinite(depth).all()
    assert depth.min() > 0.2 and depth.max() < 12


def test_walls_are_planes():
  # Along a row of pixels, 1/depth of a plane is linear: its second difference is 0 but at edges.
  _, depth = cast_room(np.random.default_rng(3), 256, 192)
  bends = np.abs(np.diff(1 / depth.astype(np.float64), 2, axis=1))
  assert np.median(bends) < 1e-7 and (bends > 1e-4).mean() < 0.1


def test_rooms_differ_and_repeat():
  data = Depth("rooms:20", 16, 4, 0).datasets()
  assert [len(part) for part in (data.train, data.holdout, data.test)] == [12, 4, 4]
  everything = np.concatenate([part.labels for part in (data.train, data.holdout, data.test)])
  assert len(np.unique(everything.reshape(20, -1).mean(axis=1))) == 20
  again = Depth("rooms:20", 16, 4, 0).datasets()
  np.testing.assert_array_equal(data.train.images, again.train.images)


# --- folder


def test_folder_gives_metres_and_keeps_order(rooms):
  folder, depths = rooms(10)
  loaded = load(f"folder:{folder}")
  assert loaded.train.images.shape == (9, 24, 24, 3) and loaded.train.images.dtype == np.uint8
  assert loaded.test.labels.shape == (1, 24, 24, 1) and loaded.notes == ()
  expected = np.stack([fit_map(depth, 24) for depth in depths])
  # The file rounds to millimetres.
  found = np.concatenate([loaded.train.labels, loaded.test.labels])
  np.testing.assert_allclose(found, expected, atol=0.0006)


def test_scale_and_offset_make_metres_of_8_bits(tmp_path, save):
  image = np.zeros((48, 64, 3), np.uint8)
  for name in ("a", "b"):
    save(tmp_path, name, image, np.full((48, 64), 2.0), bits=8)  # value 50
  loaded = load(f"folder:{tmp_path}", depth_scale=0.1, depth_offset=-1.5)
  np.testing.assert_allclose(loaded.train.labels, 50 * 0.1 - 1.5, atol=1e-6)


def test_the_invalid_value_is_no_depth(tmp_path, save):
  depth = np.full((48, 64), 3.0)
  depth[:, :32] = 5.0
  for name in ("a", "b"):
    save(tmp_path, name, np.zeros((48, 64, 3), np.uint8), depth)
  labels = load(f"folder:{tmp_path}", depth_invalid=5000).train.labels
  assert set(np.unique(labels)) == {np.float32(0), np.float32(3)}
  assert (labels[0, :, :12] == 0).all() and (labels[0, :, 12:] == 3).all()


def test_holdout_and_test_are_blocks_at_the_end(rooms):
  folder, depths = rooms(12)
  task = Depth(f"folder:{folder}", 24, 3, 0, depth_test=4)
  data = task.datasets()
  means = [fit_map(depth, 24).mean() for depth in depths]
  train, holdout, test = (
    part.labels.mean(axis=(1, 2, 3)) for part in (data.train, data.holdout, data.test)
  )
  # The file rounds to millimetres.
  np.testing.assert_allclose(holdout, means[5:8], atol=0.001)
  np.testing.assert_allclose(test, means[8:], atol=0.001)
  np.testing.assert_allclose(sorted(train), sorted(means[:5]), atol=0.001)
  assert not np.allclose(train, means[:5], atol=0.01), "not shuffled"
  with pytest.raises(ValueError, match="--holdout must be from 1 to 6 .* of 8 images, got 7"):
    Depth(f"folder:{folder}", 24, 7, 0, depth_test=4).datasets()


def test_parts_of_their_own(rooms, tmp_path):
  for part, count in (("train", 4), ("test", 2)):
    rooms(count, folder=tmp_path / "parts" / part)
  loaded = load(f"folder:{tmp_path / 'parts'}")
  assert (len(loaded.train), len(loaded.test)) == (4, 2)
  with pytest.raises(ValueError, match="--depth_test is for a folder without a test part"):
    load(f"folder:{tmp_path / 'parts'}", depth_test=1)


def test_8_bits_have_no_scale_of_their_own(rooms):
  folder, _ = rooms(4, bits=8)
  with pytest.raises(ValueError, match="000.png is a depth map of 8 bits; --depth_scale must say"):
    load(f"folder:{folder}")


def test_wrong_scale_is_named(rooms):
  folder, _ = rooms(4)
  with pytest.raises(ValueError, match=r"000.png: all depths are over 100 m .*check --depth_scale"):
    load(f"folder:{folder}", depth_scale=1.0)
  with pytest.raises(ValueError, match=r"all depths are below 0.1 m .*check --depth_scale"):
    load(f"folder:{folder}", depth_scale=1e-6)


@pytest.mark.parametrize(("half", "name"), [("rgb", "001.jpg"), ("depth", "001.png")])
def test_a_missing_half_is_named_and_counted(rooms, half, name):
  folder, _ = rooms(4)
  (folder / half / name).unlink()
  other = {"rgb": "depth map .*depth/001.png, which has no image", "depth": "image .*rgb/001.jpg"}
  with pytest.raises(ValueError, match=rf"1 file\(s\) miss the other half .* the {other[half]}"):
    load(f"folder:{folder}")


def test_another_size_is_named(rooms):
  folder, _ = rooms(4)
  Image.fromarray(np.full((24, 32), 2000, np.uint16)).save(folder / "depth" / "002.png")
  with pytest.raises(ValueError, match="002.png has 32x24 pixels, its image .*002.png 64x48"):
    load(f"folder:{folder}")


def test_maps_without_depth_are_left_out_counted_and_told(rooms):
  folder, _ = rooms(6)
  for name in ("001", "003"):
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(folder / "depth" / f"{name}.png")
  loaded = load(f"folder:{folder}", depth_test=1)
  assert len(loaded.train) == 3 and (loaded.train.labels > 0).any(axis=(1, 2, 3)).all()
  (note,) = loaded.notes
  assert "2 of 5 training maps have no valid depth" in note and "001.png" in note
  assert Depth(f"folder:{folder}", 24, 1, 0, depth_test=1).datasets().notes == (note,)


def test_only_maps_without_depth_is_an_error(rooms):
  folder, _ = rooms(3)
  for path in (folder / "depth").iterdir():
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(path)
  with pytest.raises(ValueError, match="no training map has a valid depth"):
    load(f"folder:{folder}")


def test_what_is_no_depth_map_is_named(rooms):
  folder, _ = rooms(3)
  Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / "depth" / "000.png")
  with pytest.raises(ValueError, match="000.png: a depth map must be grey.*mode is RGB"):
    load(f"folder:{folder}")
  (folder / "depth" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
  with pytest.raises(ValueError, match=r"Cannot read the image .*000\.png"):
    load(f"folder:{folder}")


def test_no_image_is_handed_to_another_program(rooms):
  """Pillow would give an EPS file to Ghostscript, whatever its name ends with."""
  folder, _ = rooms(3)
  (folder / "rgb" / "000.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
  with pytest.raises(ValueError, match=r"Cannot read the image .*000\.png: cannot identify"):
    load(f"folder:{folder}")


def test_missing_folders_are_named(tmp_path):
  with pytest.raises(ValueError, match="rgb is not a folder; --data=folder:DIR needs DIR/rgb and"):
    load(f"folder:{tmp_path}")
  (tmp_path / "rgb").mkdir()
  (tmp_path / "depth").mkdir()
  with pytest.raises(ValueError, match="rgb has no images"):
    load(f"folder:{tmp_path}")


@pytest.mark.parametrize("test", [0, 4])
def test_test_pairs_leave_some_to_train_on(rooms, test):
  folder, _ = rooms(4)
  with pytest.raises(ValueError, match=rf"--depth_test must be from 1 to 3 .*4 pairs.* got {test}"):
    load(f"folder:{folder}", depth_test=test)


def test_more_than_memory_holds_is_refused(rooms, monkeypatch):
  folder, _ = rooms(4)
  monkeypatch.setattr(map_format.images, "LARGEST_BYTES", 1000)
  monkeypatch.setattr(map_format, "_memory", lambda: 0)
  with pytest.raises(ValueError, match="3 images of 24x24 with their depth need 0.0 GiB decoded"):
    load(f"folder:{folder}")


# --- tfds


@pytest.fixture
def nyu(tmp_path, monkeypatch):
  """Function (without) -> depths; `nyu_depth_v2` is then a tiny set in real TFDS files."""
  tfds = pytest.importorskip("tensorflow_datasets")
  rooms = [cast_room(np.random.default_rng(index), 64, 48) for index in range(5)]

  def prepare(without=None):
    class NyuDepthV2(tfds.core.GeneratorBasedBuilder, skip_registration=True):
      VERSION = tfds.core.Version("0.0.1")

      def _info(self):
        kinds = {
          "image": tfds.features.Image(shape=(48, 64, 3)),
          "depth": tfds.features.Tensor(shape=(48, 64), dtype=np.float16),
        }
        kinds.pop(without, None)
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(kinds))

      def _split_generators(self, unused_downloads):
        return {"train": self._generate_examples(0, 4), "validation": self._generate_examples(4, 5)}

      def _generate_examples(self, start=0, stop=0):
        for index in range(start, stop):
          image, depth = rooms[index]
          values = {"image": image, "depth": depth.astype(np.float16)}
          yield index, {name: values[name] for name in self.info.features}

    def builder(name):
      assert name == "nyu_depth_v2"
      return NyuDepthV2(data_dir=tmp_path / "tfds")

    gcs = tfds.core.utils.gcs_utils
    monkeypatch.setattr(gcs, "gcs_dataset_info_files", lambda *unused: [])
    monkeypatch.setattr(gcs, "is_dataset_on_gcs", lambda *unused: False)
    monkeypatch.setattr(tfds, "builder", builder)
    return [depth for _, depth in rooms]

  return prepare


def test_tfds_gives_metres_in_its_own_precision(nyu):
  depths = nyu()
  loaded = load("tfds:nyu_depth_v2")
  assert (len(loaded.train), len(loaded.test)) == (4, 1)
  assert loaded.train.labels.dtype == np.float16
  expected = fit_map(depths[4].astype(np.float16), 24)
  np.testing.assert_array_equal(loaded.test.labels[0], expected)
  means = {float(fit_map(depth.astype(np.float16), 24).mean()) for depth in depths[:4]}
  found = [float(one.astype(np.float32).mean()) for one in loaded.train.labels]
  np.testing.assert_allclose(sorted(found), sorted(means), rtol=1e-6)


def test_tfds_without_depth_is_named(nyu):
  nyu(without="depth")
  with pytest.raises(ValueError, match="features image; depth needs 'image' and 'depth'"):
    load("tfds:nyu_depth_v2")


def test_tfds_has_a_test_part(nyu):
  nyu()
  with pytest.raises(ValueError, match="--depth_test is for folders; tfds:nyu_depth_v2 has"):
    load("tfds:nyu_depth_v2", depth_test=2)
