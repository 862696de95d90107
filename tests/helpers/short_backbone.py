"""Backbones for whole runs: the first nine layers of MobileNetV1 and its head; one with a residual.

Most of a small run is Python that builds layers and traces them: it takes as long as its network is
deep. Where stages and commands are the subject, a short network goes through them as well.

  python short_backbone.py COMMAND --backbone=short_mobilenet ...   a command that knows them
"""

import contextlib
import importlib
import sys

from nadv2_tf.backbones.mobilenet_v1 import encoder_blocks
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

NAME, RESIDUAL_NAME = "short_mobilenet", "short_residual"
FLAG, RESIDUAL_FLAG = (f"--backbone={name}" for name in (NAME, RESIDUAL_NAME))


def space(input_shape=(32, 32, 1), classes=3):
  blocks = (*encoder_blocks()[:5], Head(classes, dropout=0.001))
  return space_of(NetworkSpec(NAME, input_shape, blocks), 8)


def residual_space(input_shape=(32, 32, 3), classes=3):
  """The first blocks of MobileNetV3's kind: what only a block with a residual has is in it."""
  blocks = (
    Conv(16, 3, 2, "hard_swish", bypass_cap=8),
    InvertedResidual(32, 32, 16, 5, 1, 16, "hard_swish", bypass_cap=8, residual=True),
    Head(classes, dropout=0.1),
  )
  return space_of(NetworkSpec(RESIDUAL_NAME, input_shape, blocks), 8)


@contextlib.contextmanager
def registered():
  """The backbones are known."""
  with BACKBONES.registered(NAME, space), BACKBONES.registered(RESIDUAL_NAME, residual_space):
    yield


def is_named(arguments):
  """Whether the arguments of a command name one of them."""
  return not {FLAG, RESIDUAL_FLAG}.isdisjoint(arguments)


if __name__ == "__main__":
  name = sys.argv.pop(1)
  with registered():
    importlib.import_module(f"nadv2_tf.programs.{name}").start()
