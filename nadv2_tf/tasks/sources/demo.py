"""The embedded subset of Fashion-MNIST."""

import importlib.resources

from nadv2_tf.tasks import images
from nadv2_tf.tasks.sources import npz
from nadv2_tf.tasks.sources.registry import SOURCES, Source

FILE = "fashion_mnist_subset.npz"
CLASSES = (
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
)
SIDE = 28
#: up to this size the 28x28 images are padded with zeros, not blurred
LARGEST_PADDED = 36


@SOURCES.register("demo")
def load(unused_place: str, image_size: int) -> Source:
  with importlib.resources.as_file(
    importlib.resources.files("nadv2_tf.data").joinpath(FILE)
  ) as path:
    fit = images.pad if SIDE <= image_size <= LARGEST_PADDED else images.resize
    train, test, _ = npz.read(path, lambda array: fit(array, image_size))
  return Source(train, test, CLASSES)
