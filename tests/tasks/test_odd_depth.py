"""Pairs of image and depth map as users have them: taken alike, of one kind, and all counted."""

import io

import numpy as np
import pytest
from odd_pictures import exif, pixels, with_exif
from PIL import Image

from nadv2_tf.tasks.cut import Cut
from nadv2_tf.tasks.depth import Depth, map_format, sources
from nadv2_tf.tasks.depth.maps import fit_image, fit_map

SIZE = 24
HEIGHT, WIDTH = 48, 64


def _load(root, cut=Cut(), **settings):  # noqa: B008  (frozen)
  return sources.load(f"folder:{root}", SIZE, map_format.MapFormat(**settings), cut)


def _values(seed=0, nearest=1000, furthest=6000):
  """A depth map in millimetres that no turning leaves as it is."""
  corners = np.random.default_rng(seed).uniform(nearest, furthest, (2, 2)).astype(np.float32)
  plane = Image.fromarray(corners).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
  return np.asarray(plane).astype(np.uint16)


def _pair(root, name, values, image=None, suffix=".jpg", **options):
  for half in ("rgb", "depth"):
    (root / half / name).parent.mkdir(parents=True, exist_ok=True)
  content = image or with_exif("JPEG", pixels(HEIGHT, WIDTH), 1)
  (root / "rgb" / f"{name}{suffix}").write_bytes(content)
  Image.fromarray(values).save(root / "depth" / f"{name}.png", **options)


def _pairs(root, count, **options):
  for index in range(count):
    _pair(root, f"{index:03d}", _values(index), **options)


# --- an image and its map


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_an_orientation_turns_neither_image_nor_map(tmp_path, kind, orientation):
  stored, suffix = pixels(HEIGHT, WIDTH), {"JPEG": ".jpg", "PNG": ".png"}[kind]
  # What the map carries itself turns it as little.
  own = {"exif": exif(orientation)[6:]}
  _pair(tmp_path, "a", _values(), with_exif(kind, stored, orientation), suffix, **own)
  _pair(tmp_path, "b", _values(), with_exif(kind, stored, orientation, True), suffix, **own)
  _pair(tmp_path, "c", _values())
  loaded = _load(tmp_path)
  for image, depth in zip(loaded.train.images, loaded.train.labels, strict=True):
    # JPEG keeps smooth pictures to a few steps.
    expected = fit_image(Image.fromarray(stored), SIZE).astype(int)
    np.testing.assert_allclose(image, expected, atol=12 * (kind == "JPEG"))
    np.testing.assert_array_equal(depth, fit_map(_values() / np.float32(1000), SIZE))
  (note,) = loaded.notes
  assert "2 photographs carry an EXIF orientation, and images and maps are taken as they" in note
  assert note.endswith(f"the first is {tmp_path / 'rgb' / f'a{suffix}'}")


def test_another_size_that_comes_of_an_orientation_says_so(tmp_path):
  _pairs(tmp_path, 3)
  _pair(tmp_path, "b", np.rot90(_values()), with_exif("JPEG", pixels(HEIGHT, WIDTH), 8))
  with pytest.raises(
    ValueError, match="b.png has 48x64 .*64x48; .*orientation 8, and both are tak"
  ):
    _load(tmp_path)
  _pair(tmp_path, "b", np.rot90(_values()))
  with pytest.raises(ValueError, match=r"b\.png has 48x64 .* must have the same size\.$"):
    _load(tmp_path)


# --- one scale for all


@pytest.mark.parametrize("parts", [True, False])
def test_maps_of_8_and_16_bits_are_not_mixed(tmp_path, parts):
  small = (_values() // 40).astype(np.uint8)  # 255 is 10 m
  folders = [tmp_path / "train", tmp_path / "test"] if parts else [tmp_path, tmp_path]
  for number in range(3):
    _pair(folders[0], f"a{number}", small)
    _pair(folders[1], f"b{number}", _values(number))
  for scale in (10 / 255, None):
    with pytest.raises(
      ValueError, match="8 bits, such as .*a0.png and of 16 bits, such as .*b0.png"
    ):
      _load(tmp_path, depth_scale=scale)


def test_a_part_in_another_unit_is_told(tmp_path):
  for number in range(3):
    _pair(tmp_path / "train", f"{number}", _values(number))
    _pair(tmp_path / "test", f"{number}", _values(number) // 10)  # centimetres
  (note,) = _load(tmp_path).notes
  assert "m in the test maps, and" in note and note.endswith("Are both in one unit?")


def test_maps_in_another_unit_are_told(tmp_path):
  _pairs(tmp_path, 20)
  for name in ("004", "007"):
    _pair(tmp_path, name, _values() // 100)  # decimetres
  (note,) = _load(tmp_path).notes
  assert "median depth of 2 of 18 training maps is more than 20 times" in note and "004.png" in note


@pytest.mark.parametrize("part", ["train", "test"])
def test_depths_that_no_room_has_are_refused_for_each_part(tmp_path, part):
  for number in range(3):
    for name in ("train", "test"):
      _pair(tmp_path / name, f"{number}", _values(number))
  title = {"train": "training", "test": "test"}[part]
  for number in range(3):
    _pair(tmp_path / part, f"{number}", _values(number) // 100)
  with pytest.raises(ValueError, match=f"all depths are below 0.1 m .* in the {title} maps"):
    _load(tmp_path)
  for number in range(3):
    far = np.full((HEIGHT, WIDTH), 60_000, np.uint16)
    far[:5] = 900  # so that not every depth is out of reach
    _pair(tmp_path / part, f"{number}", far)
  with pytest.raises(ValueError, match=f"half of the depths are over 100 m .* in the {title} maps"):
    _load(tmp_path, depth_scale=0.01)


# --- files and parts


def test_pairs_in_sub_folders_count(tmp_path):
  _pairs(tmp_path, 3)
  for name in ("kitchen/000", "kitchen/001", "office/000"):
    _pair(tmp_path, name, _values())
  _pair(tmp_path, "@eaDir/000", _values())
  loaded = _load(tmp_path, depth_test=2)
  assert (len(loaded.train), len(loaded.test), loaded.notes) == (4, 2, ())


@pytest.mark.parametrize("half", ["rgb", "depth"])
def test_files_of_other_kinds_are_counted_and_told(tmp_path, half):
  _pairs(tmp_path, 3)
  for name in ("a.exr", "b.webp"):
    (tmp_path / half / name).write_bytes(b"something")
  (note,) = _load(tmp_path).notes
  assert f"{tmp_path / half}: 2 files are none of " in note
  assert note.endswith(f"the first is {tmp_path / half / 'a.exr'}")


def test_links_that_lead_nowhere_are_counted_and_named(tmp_path):
  _pairs(tmp_path, 3)
  for name in ("a.png", "b.png"):
    (tmp_path / "depth" / name).symlink_to("/not/mounted/map.png")
  with pytest.raises(ValueError, match="depth: 2 entries are no files .*depth/a.png"):
    _load(tmp_path)


def test_the_test_part_may_have_another_name_or_be_chosen(tmp_path):
  for part, count in (("train", 3), ("val", 2), ("other", 1)):
    _pairs(tmp_path / part, count)
  assert len(_load(tmp_path).test) == 2
  _pairs(tmp_path / "test", 4)
  assert len(_load(tmp_path).test) == 4
  assert len(_load(tmp_path, Cut("val")).test) == 2
  assert len(_load(tmp_path, Cut("other")).test) == 1
  with pytest.raises(ValueError, match="--test_split must be .* which are test, val; got 'all'"):
    _load(tmp_path, Cut("all"))
  with pytest.raises(ValueError, match="--test_share is for classification; --depth_test says"):
    Depth(f"folder:{tmp_path}", SIZE, 1, 0, cut=Cut(share=0.1))


def test_pairs_beside_parts_are_refused(tmp_path):
  _pairs(tmp_path, 3)
  _pairs(tmp_path / "train", 3)
  with pytest.raises(ValueError, match="has both rgb and train; move one away"):
    _load(tmp_path)


def test_a_tilde_is_the_home_folder_of_pairs_too(tmp_path, monkeypatch):
  _pairs(tmp_path / "mine", 3)
  monkeypatch.setenv("HOME", str(tmp_path))
  assert len(_load("~/mine").train) == 2


def test_whatever_a_decoder_raises_names_the_map(tmp_path, monkeypatch):
  _pairs(tmp_path, 3)
  content = io.BytesIO()
  Image.fromarray(_values()).save(content, "PNG")
  damaged = bytearray(content.getvalue())
  at = damaged.index(b"IDAT") + 8
  damaged[at : at + 16] = bytes(16)
  (tmp_path / "depth" / "001.png").write_bytes(damaged)
  with pytest.raises(ValueError, match=f"^Cannot read the image {tmp_path}/depth/001.png: "):
    _load(tmp_path)
