"""Flags of the images: where they come from, how they are read, what training does to them."""

from absl import flags


def define_data():
  flags.DEFINE_string(
    "data",
    "demo",
    "Images: demo (a part of Fashion-MNIST that comes with the package), tfds:NAME (TensorFlow "
    "Datasets), folder:DIR (DIR/train and DIR/test with one sub-folder per class), npz:FILE "
    "(x_train, y_train, x_test, y_test). For depth: tfds:NAME, folder:DIR (DIR/rgb/NAME.jpg or "
    ".png, DIR/depth/NAME.png), rooms:COUNT (synthetic).",
  )
  flags.DEFINE_enum(
    "input",
    "auto",
    ["auto", "memory", "stream"],
    "Whether images are decoded into memory once, or streamed from folder: or tfds: on all cores; "
    "auto streams what does not fit into memory, and where --augmentation wants whole pictures.",
  )
  flags.DEFINE_float(
    "input_cache_gib",
    0.0,
    "How much of the files is kept in memory, as they are, while they are streamed; for training "
    "and test images each.",
    lower_bound=0,
  )


def define_recipe():
  _define_augmentation("augmentation", "shift", "How training images are augmented")
  flags.DEFINE_boolean(
    "mirror",
    True,
    "Whether augmentation mirrors half of the images; --nomirror for those that mean something "
    "else mirrored: digits, text, signs.",
  )
  flags.DEFINE_float(
    "stochastic_depth",
    0.0,
    "Share of images that skip the last block's residual branch in a training step; rises linearly "
    "from the first block to the last.",
    0,
    1,
  )


def define_finetune_recipe():
  _define_augmentation(
    "finetune_augmentation", None, "In fine-tuning, by default as --augmentation says"
  )
  flags.DEFINE_float(
    "finetune_stochastic_depth",
    None,
    "--stochastic_depth of fine-tuning; default: that of the super-network.",
    0,
    1,
  )


def _define_augmentation(name, default, what):
  flags.DEFINE_enum(
    name,
    default,
    ["shift", "inception", "autoaugment"],
    f"{what}: shift (mirrored, moved by a pixel), inception (mirrored, a crop of random size and "
    "aspect), or autoaugment (the ImageNet policy of AutoAugment after that).",
  )
