"""Data, and batches of it, that cannot be used end a command before any training, with one line."""

import numpy as np
import pytest
from odd_pictures import with_chunk
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
  """A folder data set of two classes with one image each."""
  root = tmp_path / "pictures"
  for part in ("train", "test"):
    for name in ("ant", "cat"):
      (root / part / name).mkdir(parents=True)
      Image.new("RGB", (9, 9)).save(root / part / name / "1.png")
  return root


def test_unknown_data_lists_the_known_forms(fails, output):
  message = (
    "must be demo, or one of folder:..., npz:..., tfds:..., for classification, got 'imagenet'"
  )
  fails(message, "train", f"--output={output}", "--data=imagenet")


def test_empty_folder_is_named(fails, tmp_path, output):
  empty = tmp_path / "empty"
  empty.mkdir()
  message = f"{empty / 'train'} is not a folder"
  fails(message, "train", f"--output={output}", f"--data=folder:{empty}")
  assert not output.exists()


def test_single_class_is_refused(fails, pictures, output):
  (pictures / "train" / "cat" / "1.png").unlink()
  (pictures / "train" / "cat").rmdir()
  message = f"{pictures / 'train'} has 1 class folders; at least 2 are needed"
  fails(message, "train", f"--output={output}", f"--data=folder:{pictures}")
  assert not output.exists()


def test_image_that_cannot_be_read_is_named(fails, pictures, output):
  path = pictures / "test" / "cat" / "1.png"
  path.write_bytes(path.read_bytes()[:40])
  message = f"Cannot read the image {path}"
  fails(message, "train", f"--output={output}", f"--data=folder:{pictures}")
  assert not output.exists()


@pytest.mark.parametrize("command", ["train", "run"])
def test_a_streamed_test_image_is_looked_at_before_training(fails, pictures, output, command):
  for name in ("ant", "cat"):
    for number in range(2, 6):
      Image.new("RGB", (9, 9)).save(pictures / "train" / name / f"{number}.png")
  path = pictures / "test" / "cat" / "1.png"
  path.write_bytes(path.read_bytes()[:-40])
  flags = [f"--data=folder:{pictures}", "--input=stream", "--holdout=2", "--batch_size=4"]
  flags += ["--subnetworks_per_batch=2", "--image_size=32", "--backbone=short_mobilenet"]
  flags += [] if command == "train" else ["--metric=macs", "--target=50%"]
  fails(f"Cannot read the image {path}", command, *flags, f"--output={output}")
  assert not output.exists()


def test_a_picture_with_malformed_metadata_says_nothing(run_command, pictures, output):
  """Pillow would warn of it in two lines, and not say of which file."""
  content = (pictures / "train" / "cat" / "1.png").read_bytes()
  data = b"II*\0\xff\xff\xff\xff"
  (pictures / "train" / "cat" / "1.png").write_bytes(with_chunk(content, b"eXIf", data))
  flags = [f"--data=folder:{pictures}", "--holdout=9", f"--output={output}"]
  status, _, stderr = run_command("train", *flags)
  assert status == 1 and stderr.startswith("error: --holdout must be from")
  assert len(stderr.splitlines()) == 1


def test_label_outside_the_classes_is_named(fails, small, tmp_path, output):
  path = tmp_path / "labels.npz"
  with np.load(small[0].removeprefix("--data=npz:")) as arrays:
    np.savez(path, **dict(arrays) | {"y_test": np.array([0, 7, 2])})
  message = r"test image 1 has the label 7, which is outside the 3 classes"
  fails(message, "train", f"--output={output}", f"--data=npz:{path}")
  assert not output.exists()


def test_holdout_larger_than_the_data_is_refused(fails, small, output):
  message = r"--holdout must be from 1 to 10 .* 12 images, got 1000"
  fails(message, "train", small[0], f"--output={output}")
  assert not output.exists()


def test_batch_larger_than_what_is_left_is_refused(fails, small, output):
  message = r"--batch_size=9 is more than the 8 training images"
  flags = [*small[:2], "--batch_size=9", "--subnetworks_per_batch=3", f"--output={output}"]
  fails(message, "train", *flags)
  assert not output.exists()


def test_batch_that_does_not_divide_is_refused(fails, small, output):
  message = r"--subnetworks_per_batch must divide the batch size 4, got 3"
  fails(message, "train", *small[:3], "--subnetworks_per_batch=3", f"--output={output}")
  assert not output.exists()


def test_more_full_networks_than_sub_networks_are_refused(fails, small, output):
  message = r"--full_subnetworks must be from 0 to the 2 .* got 3"
  fails(message, "train", *small, "--full_subnetworks=3", f"--output={output}")
  assert not output.exists()
