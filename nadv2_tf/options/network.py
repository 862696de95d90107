"""Which search space, for which images."""

import dataclasses
from typing import Any

from nadv2_tf.backbones import BACKBONES
from nadv2_tf.option import OptionGroup, option

INPUTS = ("auto", "memory", "stream")
#: options that say which part of the data is the test part
CUT_OPTIONS = ("test_split", "test_share")
#: how the name of a network of keras.applications begins
KERAS = "keras:"
#: what a network that is run on images is, in messages
ONE_IMAGE = "one image, [height, width, channels], and one output are needed"
#: {--input_range: what a network takes for (black, white)}
INPUT_RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class NetworkOptions(OptionGroup):
  """Which search space, for which images.

  `task_settings` are the flags that only the backbone's task takes (`TaskSettings`), {flag: value},
  as far as they were given.
  """

  backbone: str = option(
    "mobilenet_v3_demo",
    "Initial network, whose sub-networks are searched; or keras:NAME, a network of "
    "keras.applications such as keras:MobileNetV2, which begins with --weights.",
    choices=lambda: sorted(BACKBONES),
    prefix=KERAS,
  )
  image_size: int | None = option(
    None, "Height and width of the images; default: the backbone's own.", low=8
  )
  data: str = option(
    "demo",
    "Images: demo (a part of Fashion-MNIST that comes with the package), tfds:NAME (TensorFlow "
    "Datasets), folder:DIR (DIR/train and DIR/test, or DIR itself, with one sub-folder per class), "
    "npz:FILE (x_train, y_train, x_test, y_test). For depth: tfds:NAME, folder:DIR "
    "(DIR/rgb/NAME.jpg or .png, DIR/depth/NAME.png), rooms:COUNT (synthetic).",
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
  network: str | None = option(
    None,
    "A trained Keras model (.keras or .h5) to begin with, in the place of --backbone: its "
    "sub-networks are searched, and the found one begins with its weights.",
  )
  weights: str | None = option(
    None,
    "What --backbone begins with: imagenet (of keras:NAME, its default; Keras fetches them), none, "
    "or a FILE: weights of keras:NAME, a .keras file of the backbone itself, or an encoder's "
    "weights as --encoder_weights takes them.",
  )
  input_range: str = option(
    "auto",
    "What a given network takes for the pixels 0 to 255; auto: 0..255 if it preprocesses inside or "
    "takes integers, else -1..1.",
    choices=tuple(["auto", *INPUT_RANGES]),
  )
  bypass: float = option(
    0.5,
    "Of a given network: how many channels may go around a layer that is narrowed, as a share of "
    "its block's output width; 0 for none. The paper takes 0.5 for MobileNetV3 and 0.25 for "
    "FastDepth.",
    low=0,
    high=1,
  )
  test_split: str | None = option(
    None,
    "Which part of tfds: or folder: is the test part, such as validation or val; default: test, or "
    "the first of val, validation and valid if test is not there or has no labels.",
  )
  test_share: float | None = option(
    None,
    "Of tfds: or folder: without a test part: how much is cut off for one, by a hash of the "
    "images' names; default: 0.2.",
    low=0.001,
    high=0.999,
  )

  def __post_init__(self) -> None:
    super().__post_init__()
    check_together(self)


#: of --backbone, where none is given
DEFAULT_BACKBONE = NetworkOptions.__dataclass_fields__["backbone"].default


def is_given(options: NetworkOptions) -> bool:
  """Whether the network is read from a Keras model, and no backbone of this package."""
  return bool(options.network) or options.backbone.startswith(KERAS)


def begins_trained(options: NetworkOptions) -> bool:
  """Whether the network is given, and its weights are trained."""
  return is_given(options) and options.weights != "none"


def check_together(options: NetworkOptions) -> None:
  """Raises ValueError for options that do not go together."""
  if options.network and options.backbone != DEFAULT_BACKBONE:
    raise ValueError(
      f"--network={options.network} is searched in the place of a backbone; leave "
      f"--backbone={options.backbone} out, or --network."
    )
  if options.network and options.weights:
    raise ValueError(
      f"--weights={options.weights} are for --backbone; --network={options.network} has its own."
    )
  if options.weights == "imagenet" and not is_given(options):
    raise ValueError(
      f"--weights=imagenet is for --backbone=keras:NAME; of {options.backbone} there are none, "
      "give a file."
    )
  if not is_given(options) and options.input_range != "auto":
    raise ValueError(
      f"--input_range={options.input_range} is for a given network (--network, "
      f"--backbone=keras:NAME); {options.backbone} takes -1..1."
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
