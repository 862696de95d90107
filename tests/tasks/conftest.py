"""Folders of synthetic rooms, as a depth camera might have left them."""

import numpy as np
import pytest
from PIL import Image

from nadv2_tf.tasks.depth.rooms import cast_room


def save_pair(folder, name, image, depth, bits=16, suffix=".png"):
  """Writes rgb/NAME and depth/NAME.png: millimetres in 16 bits, or 25ths of a metre in 8."""
  for half in ("rgb", "depth"):
    (folder / half).mkdir(parents=True, exist_ok=True)
  Image.fromarray(image).save(folder / "rgb" / f"{name}{suffix}")
  values = np.rint(depth * 1000).astype(np.uint16) if bits == 16 else np.rint(depth * 25)
  Image.fromarray(values.astype(np.uint16 if bits == 16 else np.uint8)).save(
    folder / "depth" / f"{name}.png"
  )


@pytest.fixture
def save():
  return save_pair


@pytest.fixture
def rooms(tmp_path):
  """Function (count, bits) -> a folder of so many synthetic rooms, and their depths in metres."""

  def make(count, bits=16, folder=tmp_path / "rooms"):
    depths = []
    for index in range(count):
      image, depth = cast_room(np.random.default_rng(index), 64, 48)
      save_pair(folder, f"{index:03d}", image, depth, bits, ".jpg" if index % 2 else ".png")
      depths.append(depth)
    return folder, np.stack(depths)

  return make
