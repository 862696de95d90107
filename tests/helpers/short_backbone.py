"""A backbone for whole runs: the first nine layers of MobileNetV1 and its head.

Most of a small run is Python that builds layers and traces them: it takes as long as its network is
deep. Where stages and commands are the subject, a short network goes through them as well.

  python short_backbone.py COMMAND --backbone=short_mobilenet ...   a command that knows it
"""

import importlib
import sys

from nadv2_tf.backbones.mobilenet_v1 import encoder_blocks
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Head

NAME = "short_mobilenet"
FLAG = f"--backbone={NAME}"


def space(input_shape=(32, 32, 1), classes=3):
  blocks = (*encoder_blocks()[:5], Head(classes, dropout=0.001))
  return space_of(NetworkSpec(NAME, input_shape, blocks), 8)


def registered():
  """A context manager: the backbone is known."""
  return BACKBONES.registered(NAME, space)


if __name__ == "__main__":
  name = sys.argv.pop(1)
  with registered():
    importlib.import_module(f"nadv2_tf.programs.{name}").start()
