"""Which networks of `keras.applications` are understood; writes docs/reference/coverage.md.

  python -m nadv2_tf.benchmarks.studies.coverage --output=docs/reference/coverage.md

Each is built with random weights at 64x64, or the least that it takes, read, built again and
compared with itself. With --only rows are printed and the page stays as it is. Two cores take about
ten minutes.
"""

from __future__ import annotations

import dataclasses
import gc
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.spec.files import write_atomically

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping
  from typing import Any

FLAGS = flags.FLAGS

#: pixels on a side of those that take no 64
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
#: what each is built with, row by row; others as they are
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
  "MobileNet": ({}, {"alpha": 0.25}, {"alpha": 0.5, "include_top": False}),
  "MobileNetV2": ({}, {"alpha": 0.35}, {"alpha": 1.4, "include_top": False, "pooling": "avg"}),
  "MobileNetV3Small": ({}, {"alpha": 0.5}, {"minimalistic": True}, {"include_top": False}),
  "MobileNetV3Large": ({}, {"alpha": 0.75}, {"minimalistic": True}, {"include_top": False}),
  "EfficientNetB0": ({}, {"include_top": False}),
  "VGG16": ({}, {"include_top": False}),
  "ResNet50": ({}, {"include_top": False, "pooling": "max"}),
}
PAGE = """# Networks of `keras.applications`

Written by `python -m nadv2_tf.benchmarks.studies.coverage`, with Keras {keras}: each network with
drawn weights and statistics, read (`nadv2_tf.reading.read_network`), built again and compared
with itself. The difference is the largest of its outputs, as a share of their spread (of a softmax
that of the logarithms); in float32, and where rounding makes more of it than the 1e-5 that are
allowed, in float64. What is refused names the first layer that has no place, and what would be
understood there.

| network | images | understood | MACs | blocks |
|---|---|---|---|---|
{rows}
"""


@dataclasses.dataclass(frozen=True)
class Row:
  """What came of one network."""

  name: str
  images: str
  understood: str
  macs: str = ""
  blocks: str = ""

  def line(self) -> str:
    return f"| {' | '.join(dataclasses.astuple(self))} |"


def applications() -> Mapping[str, Any]:
  """{name: function} of every convolutional network of `keras.applications`."""
  import keras

  names = [name for name in dir(keras.applications) if name[0].isupper()]
  return {name: getattr(keras.applications, name) for name in names}


def rows(names: list[str]) -> Iterator[Row]:
  """A row for every network and its settings; `names` empty for all."""
  for name, function in applications().items():
    if not names or name in names:
      for settings in SETTINGS.get(name, ({},)):
        yield row(name, function, settings)


def row(name: str, function: Any, settings: Mapping[str, Any]) -> Row:
  """Builds, reads and compares one network."""
  import keras

  from nadv2_tf import reading

  size = SIZES.get(name, 64)
  said = ", ".join(f"{key}={value!r}" for key, value in settings.items())
  title, images = f"{name}({said})" if said else name, f"{size}x{size}"
  keras.backend.clear_session()
  model = function(weights=None, input_shape=(size, size, 3), **settings)
  try:
    reading.read_network(model)
    read = reading.read_network(randomised(model))
    share = reading.check_same(model, read, batch(model))
  except reading.ReadError as error:
    return Row(title, images, f"no: {error}")
  kinds: dict[str, int] = {}
  for block in read.spec.blocks:
    kinds[block.kind] = kinds.get(block.kind, 0) + 1
  listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
  gc.collect()
  return Row(title, images, f"yes, {share:.0e}", f"{read.spec.macs() / 1e6:.1f} M", listed)


def randomised(model: Any) -> Any:
  """The model with drawn weights, and statistics near those of its own features.

  With others the signal grows from block to block until rounding is all that is left of it.
  """
  import keras
  import numpy as np

  rng = np.random.default_rng(0)
  for weight in model.weights:
    shape = tuple(weight.shape)
    if "gamma" in weight.name:
      weight.assign(rng.uniform(0.5, 1.5, shape))
    elif len(shape) == 1 and "variance" not in weight.name:
      weight.assign(rng.normal(0, 0.3, shape))
    elif len(shape) > 1:
      depthwise = len(shape) == 4 and shape[-1] == 1 and shape[0] > 1
      fan_in = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
      weight.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
  norms = [item for item in model.layers if isinstance(item, keras.layers.BatchNormalization)]
  momenta = [norm.momentum for norm in norms]
  for norm in norms:
    norm.momentum = 0.0
  model(batch(model, 8), training=True)
  for norm, momentum in zip(norms, momenta, strict=True):
    norm.momentum = momentum
    variance = np.asarray(norm.moving_variance)
    norm.moving_variance.assign(variance * rng.uniform(0.7, 1.4, variance.shape) + 0.01)
  return model


def batch(model: Any, size: int = 2) -> Any:
  """Images in the range that the model takes."""
  import keras
  import numpy as np

  rescales = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
  low, high = (0, 255) if rescales else (-1, 1)
  shape = (size, *model.input_shape[1:])
  return np.random.default_rng(1).uniform(low, high, shape).astype("float32")


def define_flags() -> None:
  flags.DEFINE_string("output", "docs/reference/coverage.md", "The page to write.")
  flags.DEFINE_list("only", [], "Names of the networks to look at, by default all.")


def main(argv: list[str]) -> None:
  import keras

  unknown = sorted(set(FLAGS.only) - set(applications()))
  if unknown:
    sys.exit(f"--only: keras.applications has no {unknown[0]!r}.")
  lines = []
  for item in rows(FLAGS.only):
    lines.append(item.line())
    print(lines[-1], flush=True)
  if FLAGS.only:
    return
  page = PAGE.format(keras=keras.__version__, rows="\n".join(lines))
  write_atomically(pathlib.Path(FLAGS.output), page.encode())


if __name__ == "__main__":
  define_flags()
  app.run(main)
