"""Published networks by hand, as people write them in Keras, in small forms."""

import keras

layers = keras.layers


def convolution(x, filters, kernel=1, stride=1, activation=None, epsilon=1e-3):
  """Convolution without bias, batch norm, activation (a function of a tensor)."""
  x = layers.Conv2D(filters, kernel, stride, "same", use_bias=False)(x)
  x = layers.BatchNormalization(epsilon=epsilon)(x)
  return activation(x) if activation else x


def depthwise(x, kernel=3, stride=1, activation=None, epsilon=1e-3):
  x = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False)(x)
  x = layers.BatchNormalization(epsilon=epsilon)(x)
  return activation(x) if activation else x


def inverted_residual(x, expand, filters, kernel, stride, activation, epsilon=1e-3, squeeze=0):
  y, width = x, x.shape[-1]
  if expand != 1:
    y = convolution(y, width * expand, 1, 1, activation, epsilon)
  y = depthwise(y, kernel, stride, activation, epsilon)
  if squeeze:
    gate = layers.GlobalAveragePooling2D()(y)
    gate = layers.Dense(squeeze, "relu")(gate)
    gate = layers.Dense(y.shape[-1], "sigmoid")(gate)
    y = layers.Multiply()([y, layers.Reshape((1, 1, -1))(gate)])
  y = convolution(y, filters, 1, 1, None, epsilon)
  return layers.Add()([x, y]) if stride == 1 and width == filters else y


def relu6(x):
  return layers.ReLU(6.0)(x)


def efficientnet_lite(size=64, width=1.0, classes=7):
  """EfficientNet-Lite (tensorflow/tpu, 2020): ReLU6, no squeeze-and-excite."""
  inputs = keras.Input((size, size, 3))
  x = convolution(inputs, int(32 * width), 3, 2, relu6)
  stages = [
    *((1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2)),
    *((6, 80, 3, 2, 1), (6, 112, 5, 1, 1), (6, 192, 5, 2, 1)),
  ]
  for expand, filters, kernel, stride, repeats in stages:
    for index in range(repeats):
      x = inverted_residual(x, expand, int(filters * width), kernel, 1 if index else stride, relu6)
  x = convolution(x, int(320 * width), 1, 1, relu6)
  x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
  return keras.Model(inputs, layers.Dense(classes, "softmax")(x), name="efficientnet_lite")


def mnasnet(size=64, width=1.0, classes=5):
  """MnasNet-A1 (Tan et al., 2019, Fig. 7): squeeze-and-excite with a sigmoid."""
  relu = layers.ReLU
  inputs = keras.Input((size, size, 3))
  x = convolution(inputs, int(32 * width), 3, 2, lambda y: relu()(y), 1e-5)
  stages = [
    *((1, 16, 3, 1, 1, 0), (6, 24, 3, 2, 2, 0), (3, 40, 5, 2, 2, 1)),
    *((6, 80, 3, 2, 1, 0), (6, 112, 3, 1, 2, 1), (6, 160, 5, 2, 1, 1)),
  ]
  for expand, filters, kernel, stride, repeats, squeezed in stages:
    filters = int(filters * width)
    for index in range(repeats):
      squeeze = x.shape[-1] // 4 if squeezed else 0
      stride_here = 1 if index else stride
      x = inverted_residual(
        x, expand, filters, kernel, stride_here, lambda y: relu()(y), 1e-5, squeeze
      )
  x = layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, layers.Dense(classes)(x), name="mnasnet")


def universal(x, filters, start, middle, stride, expand):
  """MobileNetV4's universal inverted bottleneck; kernels of 0 are no layer."""

  def relu(y):
    return layers.ReLU()(y)

  width, y = x.shape[-1], x
  if start:
    y = depthwise(y, start, 1 if middle else stride)
  y = convolution(y, int(width * expand), 1, 1, relu)
  if middle:
    y = depthwise(y, middle, stride, relu)
  y = convolution(y, filters)
  return layers.Add()([y, x]) if stride == 1 and width == filters else y


def mobilenet_v4(size=64, width=1.0, classes=6):
  """MobileNetV4-Conv (Qin et al., 2024), with each of its kinds of bottlenecks."""

  def relu(y):
    return layers.ReLU()(y)

  inputs = keras.Input((size, size, 3))
  x = convolution(inputs, int(32 * width), 3, 2, relu)
  x = convolution(x, int(32 * width), 3, 2, relu)  # fused: 3x3 and 1x1
  x = convolution(x, int(32 * width), 1, 1, relu)
  rows = [
    *((48, 5, 5, 2, 3), (48, 0, 3, 1, 2), (48, 3, 0, 1, 4), (64, 3, 3, 2, 6)),
    *((64, 5, 5, 1, 4), (64, 0, 5, 1, 3), (64, 0, 0, 1, 2), (64, 3, 0, 1, 4)),
  ]
  for filters, start, middle, stride, expand in rows:
    x = universal(x, int(filters * width), start, middle, stride, expand)
  x = convolution(x, int(96 * width), 1, 1, relu)
  x = layers.GlobalAveragePooling2D(keepdims=True)(x)
  x = convolution(x, int(128 * width), 1, 1, relu)
  x = layers.Flatten()(x)
  return keras.Model(inputs, layers.Dense(classes)(x), name="mobilenet_v4")
