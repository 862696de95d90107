"""Synthetic rooms with known depth, for tests and for trying the commands without data.

Each is a box with boxes standing in it, in plain and chequered colours, seen by ray casting from
inside. Nothing of it comes from photographs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from nadv2_tf.tasks.depth.map_format import DEPTH_SOURCES, reserve
from nadv2_tf.tasks.depth.maps import fit_image, fit_map
from nadv2_tf.tasks.examples import Examples

if TYPE_CHECKING:
  from nadv2_tf.tasks.cut import Cut
  from nadv2_tf.tasks.depth.map_format import MapFormat, Part

WIDTH, HEIGHT = 128, 96
FOCAL = 110.0  # pixels: about 60 degrees across
TEST_SHARE = 5  # every room in five is for the test
FURNITURE = 4


@DEPTH_SOURCES.register("rooms")
def load(
  count: str, image_size: int, map_format: MapFormat, cut: Cut
) -> tuple[list[Part], list[str]]:
  """`count` rooms; --depth_* flags say nothing about them."""
  if not count.isdecimal() or not 10 <= int(count) <= 100_000:
    raise ValueError(f"--data=rooms:COUNT needs a COUNT from 10 to 100000, got {count!r}.")
  if map_format != type(map_format)():
    raise ValueError("--depth_* flags are for maps in files; synthetic rooms are in metres.")
  cut.check(f"rooms:{count}", ["train", "test"])
  examples = reserve(int(count), image_size, f"rooms:{count}")
  for index in range(int(count)):
    image, depth = cast_room(np.random.default_rng([7, index]))
    examples.images[index] = fit_image(Image.fromarray(image), image_size)
    examples.labels[index] = fit_map(depth, image_size)
  test = int(count) // TEST_SHARE
  names = [f"room {index}" for index in range(int(count))]
  parts: list[Part] = [
    (title, Examples(examples.images[part], examples.labels[part]), names[part])
    for title, part in (("training", slice(test, None)), ("test", slice(test)))
  ]
  return parts, []


def cast_room(
  rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT
) -> tuple[np.ndarray, np.ndarray]:
  """One room.

  Args:
    rng: NumPy generator.
    width, height: of the picture, in pixels.

  Returns:
    (uint8 [height, width, 3], float32 [height, width] metres along the optical axis, as depth
    cameras measure it).
  """
  rays = _rays(width, height, rng)
  size = rng.uniform((2.5, 2.2, 3.0), (5.0, 3.0, 9.0))  # metres: across, up, ahead
  eye = np.array([rng.uniform(0.3, 0.7) * size[0], rng.uniform(0.4, 0.7) * size[1], 0.2])
  depth, colour = _from_inside(rays, eye, size, rng)
  for _ in range(FURNITURE):
    low = rng.uniform((0, 0, 1.2), (size[0] - 0.4, 0.01, max(size[2] - 1.0, 1.3)))
    high = low + rng.uniform((0.3, 0.3, 0.3), (1.5, 1.8, 1.2))
    near, seen = _from_outside(rays, eye, low, high, rng)
    closer = near < depth
    depth = np.where(closer, near, depth)
    colour = np.where(closer[..., None], seen, colour)
  noise = rng.normal(0, 4, colour.shape)
  return np.clip(colour + noise, 0, 255).astype(np.uint8), depth.astype(np.float32)


def _rays(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
  """Directions whose part along the optical axis is 1, so that lengths along them are depths."""
  x = (np.arange(width) + 0.5 - width / 2) / (FOCAL * width / WIDTH)
  y = -(np.arange(height) + 0.5 - height / 2) / (FOCAL * height / HEIGHT)
  x, y = np.meshgrid(x, y)
  turn = rng.uniform(-0.35, 0.35)  # radians, about the vertical
  ahead = np.cos(turn) - x * np.sin(turn)
  return np.stack([x * np.cos(turn) + np.sin(turn), y, ahead], axis=-1)


def _from_inside(
  rays: np.ndarray, eye: np.ndarray, size: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """Where each ray meets a wall: the nearest of the three planes that it runs towards."""
  with np.errstate(divide="ignore"):
    lengths = np.where(rays > 0, (size - eye) / rays, np.where(rays < 0, -eye / rays, np.inf))
  axis = lengths.argmin(axis=-1)
  depth = lengths.min(axis=-1)
  side = np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0
  return depth, _paint(rays, eye, depth, axis, side, rng)


def _from_outside(
  rays: np.ndarray, eye: np.ndarray, low: np.ndarray, high: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """The same for a box in the room; infinite where a ray misses it."""
  with np.errstate(divide="ignore", invalid="ignore"):
    planes = np.stack([(low - eye) / rays, (high - eye) / rays])
  enter, leave = planes.min(axis=0), planes.max(axis=0)
  axis, depth = enter.argmax(axis=-1), enter.max(axis=-1)
  hit = (depth > 0.1) & (depth < leave.min(axis=-1))
  side = np.take_along_axis(rays, axis[..., None], -1)[..., 0] > 0
  depth = np.where(hit, depth, np.inf)
  return depth, _paint(rays, eye, np.where(hit, depth, 1.0), axis, side, rng)


def _paint(
  rays: np.ndarray,
  eye: np.ndarray,
  depth: np.ndarray,
  axis: np.ndarray,
  side: np.ndarray,
  rng: np.random.Generator,
) -> np.ndarray:
  """Colours of the surface points: one for each side, chequered, darker with distance."""
  palette = rng.uniform(60, 230, (6, 3))
  light = rng.uniform(0.7, 1.0, 6)
  face = 2 * axis + side
  points = eye + rays * depth[..., None]
  squares = np.floor(points / 0.5).astype(int).sum(axis=-1) % 2
  shade = light[face] * (1 - 0.18 * squares) * (0.55 + 0.45 / (1 + 0.15 * depth))
  return palette[face] * shade[..., None]
