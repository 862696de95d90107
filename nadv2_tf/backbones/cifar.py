"""`mobilenet_v3_cifar`: a narrow initial network for 32x32 images, for studies on CIFAR-10.

MobileNetV3's blocks, half as many and wider than `mobilenet_v3_demo`'s: 27 widths, 8 kernel sizes.
"""

from nadv2_tf.backbones.netadaptv2 import HS, RE
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

WIDTH_LEVELS = 8
#: kernel, stride, expansion, projection, squeeze, activation
BLOCKS = (
  (5, 1, 48, 16, None, RE),
  (5, 1, 64, 16, None, RE),
  (5, 2, 64, 32, 16, RE),
  (5, 1, 96, 32, 24, RE),
  (7, 1, 128, 32, None, HS),
  (5, 2, 128, 64, 32, HS),
  (7, 1, 192, 64, 48, HS),
  (7, 1, 256, 64, 64, HS),
)


@BACKBONES.register("mobilenet_v3_cifar")
def cifar_space(input_shape=(32, 32, 3), classes=10):
  """The search space of the CIFAR-10 studies."""
  blocks = [Conv(16, 3, 2, HS, bypass_cap=8)]
  for kernel, stride, expansion, projection, squeeze, activation in BLOCKS:
    blocks.append(
      InvertedResidual(
        expansion,
        expansion,
        projection,
        kernel,
        stride,
        squeeze,
        activation,
        bypass_cap=projection // 2,
        residual=stride == 1,
      )
    )
  blocks += [Conv(128, 1, 1, HS, bypass_cap=32), Head(classes, 128, HS, bypass_cap=64, dropout=0.1)]
  return space_of(NetworkSpec("mobilenet_v3_cifar", input_shape, tuple(blocks)), WIDTH_LEVELS)
