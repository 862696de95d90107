"""Flags of the images: where they come from, how they are read and augmented."""

from absl import flags


def define_data():
  flags.DEFINE_string(
    "data",
    "demo",
    "Images: demo (a part of Fashion-MNIST that comes with the package), tfds:NAME (TensorFlow "
    "Datasets), folder:DIR (DIR/train and DIR/test with one sub-folder per class), npz:FILE "
    "(x_train, y_train, x_test, y_test).",
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


def define_augmentation(name, default, what):
  flags.DEFINE_enum(
    name,
    default,
    ["shift", "inception", "autoaugment"],
    f"{what}: shift (mirrored, moved by a pixel), inception (mirrored, a crop of random size and "
    "aspect), or autoaugment (the ImageNet policy of AutoAugment after that).",
  )
