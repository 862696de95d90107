"""Which search space, for which images."""

import dataclasses
from typing import Any

from nadv2_tf.backbones import BACKBONES
from nadv2_tf.option import OptionGroup, option

INPUTS = ("auto", "memory", "stream")


@dataclasses.dataclass(frozen=True)
class NetworkOptions(OptionGroup):
  """Which search space, for which images.

  `task_settings` are the flags that only the backbone's task takes (`TaskSettings`), {flag: value},
  as far as they were given.
  """

  backbone: str = option(
    "mobilenet_v3_demo",
    "Initial network, whose sub-networks are searched.",
    choices=lambda: sorted(BACKBONES),
  )
  image_size: int | None = option(
    None, "Height and width of the images; default: the backbone's own.", low=8
  )
  data: str = option(
    "demo",
    "Images: demo (a part of Fashion-MNIST that comes with the package), tfds:NAME (TensorFlow "
    "Datasets), folder:DIR (DIR/train and DIR/test with one sub-folder per class), npz:FILE "
    "(x_train, y_train, x_test, y_test). For depth: tfds:NAME, folder:DIR (DIR/rgb/NAME.jpg or "
    ".png, DIR/depth/NAME.png), rooms:COUNT (synthetic).",
  )
  holdout: int = option(1000, "Images cut from the training set to score samples with.", low=1)
  seed: int = option(0, "Of everything that is random.", low=0)
  task_settings: dict[str, Any] = dataclasses.field(default_factory=dict)
  input: str = option(
    "auto",
    "Whether images are decoded into memory once, or streamed from folder: or tfds: on all cores; "
    "auto streams what does not fit into memory, and where --augmentation wants whole pictures.",
    choices=INPUTS,
  )
  input_cache_gib: float = option(
    0.0,
    "How much of the files is kept in memory, as they are, while they are streamed; for training "
    "and test images each.",
    low=0,
    is_how=True,
  )
  fixed_blocks: str = option(
    "",
    "Blocks that keep their full widths and kernels, such as 1-7,13; all others are searched. With "
    "few images, the first blocks of a trained encoder know more than a search can tell.",
  )


@dataclasses.dataclass(frozen=True)
class TaskSettings(OptionGroup):
  """Options that only one task takes. They have no value unless they are given."""

  depth_scale: float | None = option(
    None,
    "Of depth maps: metres = value * depth_scale + depth_offset; default: 0.001 for maps of 16 "
    "bits, 1 for floating point.",
  )
  depth_offset: float | None = option(None, "Of depth maps, in metres; default: 0.")
  depth_invalid: int | None = option(
    None, 'Value of depth maps that says "no depth", -1 if none does; default: 0.', low=-1
  )
  depth_test: int | None = option(
    None,
    "Of folder:DIR with DIR/rgb and DIR/depth: how many pairs, the last by name, are the test set; "
    "default: a tenth.",
    low=1,
  )

  def given(self) -> dict[str, Any]:
    """{option: value} of those that were given."""
    return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
