"""Stand-alone Keras network to a TFLite file, and running one with LiteRT."""

import numpy as np
from nadv2_tf.export.quiet import quiet_stderr

from nadv2_tf.spec.files import write_atomically


def to_tflite(network, path):
  """Writes a Keras network as a float32 TFLite file of batch size 1.

  Args:
    network: plain Keras model, images -> outputs, on the TensorFlow backend.
    path: file to write; it appears whole or not at all.

  Returns:
    `path` as a `pathlib.Path`.
  """
  import tensorflow as tf

  shape = (1, *network.inputs[0].shape[1:])
  function = tf.function(lambda images: network(images, training=False), autograph=False)
  concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="images"))
  return write_atomically(path, convert(concrete))


def convert(concrete_function):
  """The TFLite file, as bytes, of a TensorFlow function; its variables become constants.

  Converted from the function itself, a whole 18-block network takes 3 seconds; through a saved
  model, as `from_keras_model` goes, it took 20.
  """
  import tensorflow as tf

  with quiet_stderr():
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete_function]).convert()


def interpreter(path_or_content, num_threads=1, delegates=True):
  """A LiteRT interpreter with its tensors allocated; XNNPACK in it unless not `delegates`.

  Raises:
    ValueError: if the file is missing or is no TFLite model.
  """
  from ai_edge_litert.interpreter import Interpreter, OpResolverType

  if isinstance(path_or_content, bytes):
    source = {"model_content": path_or_content}
  else:
    source = {"model_path": str(path_or_content)}
  try:
    with quiet_stderr():
      kind = OpResolverType
      resolver = kind.AUTO if delegates else kind.BUILTIN_WITHOUT_DEFAULT_DELEGATES
      made = Interpreter(num_threads=num_threads, experimental_op_resolver_type=resolver, **source)
      made.allocate_tensors()
  except (ValueError, RuntimeError) as error:
    line = str(error).strip().splitlines()[0]
    raise ValueError(f"Cannot load the TFLite model: {line}") from None
  return made


def predictor(path, num_threads=2):
  """`predict` of a TFLite file: images, float32 [batch, ...] -> outputs, one image a time."""
  made = interpreter(path, num_threads)
  (input_details,) = made.get_input_details()
  (output_details,) = made.get_output_details()

  def predict(images):
    outputs = []
    for image in images:
      made.set_tensor(input_details["index"], image[None])
      made.invoke()
      outputs.append(made.get_tensor(output_details["index"])[0].copy())
    return np.stack(outputs)

  return predict


def operators(path):
  """Names of the operators of a TFLite file's main graph, in order, as the file has them."""
  from ai_edge_litert.interpreter import Interpreter, OpResolverType

  made = Interpreter(
    model_path=str(path),
    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
  )
  return [details["op_name"] for details in made._get_ops_details()]
