"""Stand-alone Keras network to a TFLite file, and running one with LiteRT."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.export.quantization import convert
from nadv2_tf.export.quiet import quiet_stderr
from nadv2_tf.options.network import ONE_IMAGE
from nadv2_tf.spec.files import is_utf_8, write_atomically

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping

  import keras
  import tf_keras
  from ai_edge_litert.interpreter import Interpreter
  from tensorflow.types.experimental import ConcreteFunction

  from nadv2_tf.export.quantization import Quantization
  from nadv2_tf.types import AnyPath


class AnySize(ValueError):
  """A file takes inputs of any size, and is given none."""


def to_tflite(
  network: keras.Model, path: AnyPath, quantization: Quantization | None = None
) -> pathlib.Path:
  """Writes a Keras network as a TFLite file of batch size 1.

  Args:
    network: plain Keras model, images -> outputs, on the TensorFlow backend.
    path: file to write; it appears whole or not at all.
    quantization: a `Quantization`; None is float32.

  Returns:
    `path` as a `pathlib.Path`.
  """
  return write_atomically(path, convert(concrete_function(network), quantization))


def concrete_function(network: keras.Model | tf_keras.Model) -> ConcreteFunction:
  """A Keras network, of Keras 3 or tf_keras, as a TensorFlow function of one image."""
  import tensorflow as tf

  images = network.inputs[0]
  # A network of integers takes them in its file as well: an app has bytes.
  dtype = images.dtype if tf.as_dtype(images.dtype).is_integer else tf.float32
  function = tf.function(lambda images: network(images, training=False), autograph=False)
  return function.get_concrete_function(tf.TensorSpec((1, *images.shape[1:]), dtype, name="images"))


def interpreter(
  path_or_content: AnyPath | bytes,
  num_threads: int = 1,
  delegates: bool = True,
  keep_all_tensors: bool = False,
  image_size: int | None = None,
) -> Interpreter:
  """A LiteRT interpreter with its tensors allocated; XNNPACK in it unless not `delegates`.

  Args:
    path_or_content: the file.
    num_threads: that operators are split into.
    delegates: whether XNNPACK is used.
    keep_all_tensors: whether every tensor can be read after a run.
    image_size: height and width, for a file that takes images of any size.

  Raises:
    ValueError: if the file is missing, is no TFLite model, or of a size that is not known.
  """
  from ai_edge_litert.interpreter import Interpreter, OpResolverType

  source: dict[str, Any] = {"model_path": str(path_or_content)}
  if isinstance(path_or_content, bytes):
    source = {"model_content": path_or_content}
  elif not is_utf_8(path_or_content) and pathlib.Path(path_or_content).is_file():
    source = {"model_content": pathlib.Path(path_or_content).read_bytes()}
  try:
    with quiet_stderr():
      kind = OpResolverType
      resolver = kind.AUTO if delegates else kind.BUILTIN_WITHOUT_DEFAULT_DELEGATES
      made = Interpreter(
        num_threads=num_threads,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=keep_all_tensors,
        **source,
      )
      _fix_sizes(made, image_size)
      made.allocate_tensors()
  except AnySize:
    raise
  except (ValueError, RuntimeError) as error:
    line = str(error).strip().splitlines()[0]
    raise ValueError(f"Cannot load the TFLite model: {line}") from None
  return made


def _fix_sizes(made: Interpreter, image_size: int | None) -> None:
  """Gives every input the size that it is run at: LiteRT takes 1 where a file leaves it open."""
  for details in made.get_input_details():
    sizes = details["shape_signature"][1:]  # a batch of any number is one image
    if not (sizes < 0).any():
      continue
    if image_size is None or len(sizes) != 3 or sizes[2] < 0:
      raise AnySize(
        f"The TFLite model takes {details['name']!r} of any size, {sizes.tolist()}; one of a fixed "
        "size is needed, as nadv2-export --image_size makes it."
      )
    wanted = np.where(sizes < 0, image_size, sizes)
    made.resize_tensor_input(details["index"], [1, *map(int, wanted)])


def check_one_image(made: Interpreter, name: str) -> None:
  """Raises ValueError, in one line, if a file does not take one image or gives several outputs."""
  ends = [made.get_input_details(), made.get_output_details()]
  if [len(end) for end in ends] != [1, 1] or len(ends[0][0]["shape"]) != 4:
    takes, gives = (
      ", ".join(str(details["shape"][1:].tolist()) for details in end) for end in ends
    )
    raise ValueError(f"{name} takes {takes} and gives {gives}; {ONE_IMAGE}.")


def predictor(
  path_or_content: AnyPath | bytes, num_threads: int = 2, image_size: int | None = None
) -> Callable[[np.ndarray], np.ndarray]:
  """`predict` of a TFLite file: images, float32 [batch, ...] -> outputs, one image a time.

  Integer inputs and outputs are converted with the file's own scales: both ends are float32.
  Integers without a scale are what they are, pixels from 0 to 255.
  """
  made = interpreter(path_or_content, num_threads, image_size=image_size)
  (input_details,) = made.get_input_details()
  (output_details,) = made.get_output_details()
  if input_details["shape"][0] != 1:
    made.resize_tensor_input(input_details["index"], [1, *map(int, input_details["shape"][1:])])
    made.allocate_tensors()

  def predict(images: np.ndarray) -> np.ndarray:
    outputs = []
    for image in images:
      made.set_tensor(input_details["index"], quantized(image[None], input_details))
      made.invoke()
      outputs.append(dequantized(made.get_tensor(output_details["index"]), output_details)[0])
    return np.stack(outputs)

  return predict


def quantized(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
  """Float values as the tensor of `details` takes them; float tensors take them as they are."""
  if not np.issubdtype(details["dtype"], np.integer):
    return values.astype(details["dtype"], copy=False)
  scale, zero_point = scaling(details)
  limits = np.iinfo(details["dtype"])
  return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(
    details["dtype"]
  )


def scaling(details: Mapping[str, Any]) -> tuple[float, int]:
  """(scale, zero point) of an integer tensor; (1, 0) of one that is not quantized."""
  scale, zero_point = details["quantization"]
  return (scale, zero_point) if scale else (1.0, 0)


def dequantized(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
  """A copy of a tensor's values as float32."""
  if not np.issubdtype(details["dtype"], np.integer):
    return values.astype(np.float32)
  scale, zero_point = scaling(details)
  return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)


def operators(path: AnyPath) -> list[str]:
  """Names of the operators of a TFLite file's main graph, in order, as the file has them."""
  made = interpreter(path, delegates=False)
  return [details["op_name"] for details in made._get_ops_details()]
