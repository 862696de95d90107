"""Stand-alone Keras network to a TFLite file, and running one with LiteRT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.export.quantization import convert
from nadv2_tf.export.quiet import quiet_stderr
from nadv2_tf.spec.files import write_atomically

if TYPE_CHECKING:
  import pathlib
  from collections.abc import Callable, Mapping

  import keras
  import tf_keras
  from ai_edge_litert.interpreter import Interpreter
  from tensorflow.types.experimental import ConcreteFunction

  from nadv2_tf.export.quantization import Quantization
  from nadv2_tf.types import AnyPath


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

  shape = (1, *network.inputs[0].shape[1:])
  function = tf.function(lambda images: network(images, training=False), autograph=False)
  return function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="images"))


def interpreter(
  path_or_content: AnyPath | bytes,
  num_threads: int = 1,
  delegates: bool = True,
  keep_all_tensors: bool = False,
) -> Interpreter:
  """A LiteRT interpreter with its tensors allocated; XNNPACK in it unless not `delegates`.

  With `keep_all_tensors` every tensor can be read after a run.

  Raises:
    ValueError: if the file is missing or is no TFLite model.
  """
  from ai_edge_litert.interpreter import Interpreter, OpResolverType

  if isinstance(path_or_content, bytes):
    source: dict[str, Any] = {"model_content": path_or_content}
  else:
    source = {"model_path": str(path_or_content)}
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
      made.allocate_tensors()
  except (ValueError, RuntimeError) as error:
    line = str(error).strip().splitlines()[0]
    raise ValueError(f"Cannot load the TFLite model: {line}") from None
  return made


def predictor(
  path_or_content: AnyPath | bytes, num_threads: int = 2
) -> Callable[[np.ndarray], np.ndarray]:
  """`predict` of a TFLite file: images, float32 [batch, ...] -> outputs, one image a time.

  Integer inputs and outputs are converted with the file's own scales: both ends are float32.
  """
  made = interpreter(path_or_content, num_threads)
  (input_details,) = made.get_input_details()
  (output_details,) = made.get_output_details()

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
    return values
  scale, zero_point = details["quantization"]
  limits = np.iinfo(details["dtype"])
  return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(
    details["dtype"]
  )


def dequantized(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
  """A copy of a tensor's values as float32."""
  if not np.issubdtype(details["dtype"], np.integer):
    return values.copy()
  scale, zero_point = details["quantization"]
  return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)


def operators(path: AnyPath) -> list[str]:
  """Names of the operators of a TFLite file's main graph, in order, as the file has them."""
  made = interpreter(path, delegates=False)
  return [details["op_name"] for details in made._get_ops_details()]
