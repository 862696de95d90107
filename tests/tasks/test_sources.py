"""Data sources: how they are named, the demo's images, and how pictures become squares."""

import importlib.resources

import numpy as np
import pytest

from nadv2_tf.tasks import images, sources
from nadv2_tf.tasks.classification import Classification

# --- any source


@pytest.mark.parametrize("source", ["", "imagenet", "demo:x", "npz", "npz:", "folder:", "ftp:x"])
def test_unknown_form_lists_the_known_ones(source):
  with pytest.raises(
    ValueError, match="demo, or one of folder:..., npz:..., tfds:..., for classification, got"
  ) as error:
    sources.load(source, 8)
  assert repr(source) in str(error.value)


# --- demo


@pytest.fixture(scope="module")
def demo_arrays():
  file = importlib.resources.files("nadv2_tf.data").joinpath("fashion_mnist_subset.npz")
  with importlib.resources.as_file(file) as path:
    assert path.stat().st_size <= 6e6
    with np.load(path) as archive:
      return dict(archive)


def test_demo_pads_its_images_to_32(demo_arrays):
  loaded = sources.load("demo", 32)
  assert len(loaded.class_names) == 10
  for part, examples, count in (("train", loaded.train, 10_000), ("test", loaded.test, 3_500)):
    assert examples.images.shape == (count, 32, 32, 1) and examples.images.dtype == np.uint8
    np.testing.assert_array_equal(
      examples.images[:, 2:30, 2:30, 0], demo_arrays[f"x_{part}"].reshape(count, 28, 28)
    )
    border = examples.images.copy()
    border[:, 2:30, 2:30] = 0
    assert not border.any()
    np.testing.assert_array_equal(examples.labels, demo_arrays[f"y_{part}"].ravel())
    # Drawn at random from equal classes: about a tenth each.
    assert np.abs(np.bincount(examples.labels, minlength=10) / count - 0.1).max() < 0.02


def test_demo_is_scaled_to_smaller_sizes(demo_arrays):
  loaded = sources.load("demo", 14)
  assert loaded.test.images.shape == (3_500, 14, 14, 1)
  # Each new pixel is a mean over old ones, so the picture keeps its mean but for its border.
  means = loaded.test.images.mean(axis=(1, 2, 3))
  whole = demo_arrays["x_test"].reshape(3_500, -1).mean(axis=1)
  assert np.abs(means - whole).max() < 5  # of 255


def test_classification_cuts_the_demo():
  data = Classification("demo", 32, holdout=1000, seed=0).datasets()
  assert [len(data.train), len(data.holdout), len(data.test)] == [9_000, 1_000, 3_500]


# --- resizing


def test_crop_takes_the_middle():
  wide = np.zeros((1, 2, 6, 1), np.uint8)
  wide[0, :, :, 0] = [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]
  np.testing.assert_array_equal(images.resize(wide, 2)[0, :, :, 0], [[3, 4], [13, 14]])
  high = wide.transpose(0, 2, 1, 3)
  np.testing.assert_array_equal(images.resize(high, 2)[0, :, :, 0], [[3, 13], [4, 14]])


@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_keeps_flat_colours(channels):
  flat = np.full((2, 5, 9, channels), (10, 20, 30)[:channels], np.uint8)
  resized = images.resize(flat, 4)
  assert resized.shape == (2, 4, 4, channels)
  assert (resized == np.array((10, 20, 30)[:channels])).all()


def test_a_long_strip_needs_no_memory_for_what_is_cropped():
  # Scaled before it is cropped it would be 64 x 64,000,000 pixels, or 4 GB.
  strip = np.zeros((1, 1, 1_000_000, 1), np.uint8)
  assert images.resize(strip, 64).shape == (1, 64, 64, 1)
