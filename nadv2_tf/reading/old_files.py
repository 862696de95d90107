"""What .h5 files have that Keras 3 does not read by itself, as it writes none of it any more.

Layers of tf_keras have settings that those of Keras 3 refuse, and operators (`x / 127.5`, as
preprocess_input has them) are named there but cannot be made of the names. Both are put right in
the description of the model, and how models are within models (`old_graphs`); operators become a
layer of this module.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import tempfile
from typing import TYPE_CHECKING

import h5py
import keras

from nadv2_tf.reading import old_graphs
from nadv2_tf.reading.foreign import first_of

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import Any

#: functions of two numbers or tensors: names in tf_keras and Keras 3 -> names of `operations`
BINARY = {
  **{f"{place}.add": "Add" for place in ("math", "__operators__")},
  **{"math.subtract": "Subtract", "math.multiply": "Multiply", "math.truediv": "TrueDivide"},
  **{name: name for name in ("Add", "Subtract", "Multiply", "TrueDivide", "Divide")},
}
UNARY = {
  **{"nn.relu": "Relu", "nn.relu6": "Relu6", "nn.silu": "Silu", "nn.swish": "Silu"},
  **{"math.sigmoid": "Sigmoid", "nn.sigmoid": "Sigmoid"},
  **{name: name for name in ("Relu", "Relu6", "Silu", "HardSilu", "Sigmoid", "HardSigmoid")},
}
COMPUTED = {
  "Add": keras.ops.add,
  "Subtract": keras.ops.subtract,
  "Multiply": keras.ops.multiply,
  "TrueDivide": keras.ops.true_divide,
  "Divide": keras.ops.divide,
  "Relu": keras.ops.relu,
  "Relu6": keras.ops.relu6,
  "Silu": keras.ops.silu,
  "HardSilu": keras.ops.hard_silu,
  "Sigmoid": keras.ops.sigmoid,
  "HardSigmoid": keras.ops.hard_sigmoid,
}
COMMUTATIVE = ("Add", "Multiply")
#: stands in tf_keras's files where an operator's first operand is a number
CONSTANT = "_CONSTANT_VALUE"
#: what both layers have in tf_keras and not in Keras 3
SURPLUS = ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
#: the layers that tf_keras makes of operators
OPERATORS = ("TFOpLambda", "SlicingOpLambda")
#: what layers that augment have in tf_keras and not in Keras 3
RANDOM = "rng_type"


@keras.saving.register_keras_serializable("nadv2_tf")  # copies of a model are made of its config
class Operator(keras.layers.Layer):
  """An operator of a .h5 file; `operation` is its name in `operations`."""

  def __init__(self, operation: str, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.operation = operation

  def call(self, x: Any, y: Any = None, name: str | None = None) -> Any:
    operands = [*(x if isinstance(x, (list, tuple)) else (x,)), *(() if y is None else (y,))]
    return COMPUTED[self.operation](*operands)

  def get_config(self) -> dict[str, Any]:
    return {**super().get_config(), "operation": self.operation}


def config_of(path: pathlib.Path) -> Any:
  """The description of the model in a .h5 file.

  Raises:
    ValueError: if it has none.
  """
  with h5py.File(path, "r") as file:
    text = file.attrs.get("model_config")
    if text is None:
      raise ValueError("it has weights and no model; save the whole model, model.save(...)")
    config = json.loads(text)
    return old_graphs.without_modules(config) if _is_of_tf_keras(file) else config


def _is_of_tf_keras(file: h5py.File) -> bool:
  return not str(file.attrs.get("keras_version", "")).startswith("3")


def another_function(path: pathlib.Path, config: Any) -> str:
  """What a file of tf_keras calls as Keras 3 does and computes otherwise, "" if nothing.

  The hard sigmoid of tf_keras is 0.2 x + 0.5, that of Keras 3 x / 6 + 0.5, both clipped at 0 and 1.
  """
  with h5py.File(path, "r") as file:
    is_of_tf_keras = _is_of_tf_keras(file)
  if not is_of_tf_keras or not _names_hard_sigmoid(config):
    return ""
  return (
    "its hard_sigmoid is that of tf_keras, which Keras 3 computes otherwise; ReLU(6)(x + 3) / 6 or "
    "another activation would be understood"
  )


def unknown_operator(config: Any) -> str:
  """What operator of tf_keras is left in a description that was put right, "" if none is."""
  found = first_of(OPERATORS, config)
  if found is None:
    return ""
  name, settings = found
  return (
    f"{name} is the operator {settings.get('function')} of tf_keras, which Keras 3 does not know; "
    "sums, products, quotients and activations would be understood, or write it with layers, such "
    "as Rescaling"
  )


def _names_hard_sigmoid(config: Any) -> bool:
  if isinstance(config, dict):
    named = any(config.get(name) == "hard_sigmoid" for name in ("activation", "class_name"))
    return named or any(map(_names_hard_sigmoid, config.values()))
  return isinstance(config, list) and any(map(_names_hard_sigmoid, config))


def put_right(config: Any) -> Any:
  """The same description as Keras 3 reads it."""
  if isinstance(config, list):
    return [put_right(item) for item in config]
  if not isinstance(config, dict):
    return config
  config = {name: put_right(value) for name, value in config.items()}
  if isinstance(config.get("layers"), list) and "output_layers" in config:
    return old_graphs.counted(config)
  kind, settings = config.get("class_name"), config.get("config")
  if not isinstance(kind, str) or not isinstance(settings, dict):
    return config
  settings = {name: value for name, value in settings.items() if name != RANDOM}
  config["config"] = settings
  for named in (config, settings):
    if "name" in named:
      named["name"] = old_graphs.plain_name(named["name"])
  if kind in ("DepthwiseConv2D", "SeparableConv2D") and settings.get("groups") == 1:
    settings = {name: value for name, value in settings.items() if name not in SURPLUS}
    return {**config, "config": settings}
  called = settings.get("function") if kind in OPERATORS else kind
  is_operator = kind in OPERATORS or set(settings) <= {"name"}
  operation = BINARY.get(str(called), UNARY.get(str(called)))
  if is_operator and operation:
    named = {"name": settings.get("name", config.get("name")), "operation": operation}
    named["name"] = str(old_graphs.plain_name(named["name"]))
    calls = [_call(node, operation) for node in config.get("inbound_nodes", [])]
    return {
      **config,
      "class_name": Operator.__name__,
      "config": named,
      "inbound_nodes": calls,
    }
  return config


def _call(node: Any, operation: str) -> Any:
  """What an operator is called with: tensors first, a number as `y`."""
  if isinstance(node, dict) and len(node.get("args", ())) == 2:  # Keras 3
    one, other = node["args"]
    if isinstance(one, (int, float)) and operation in COMMUTATIVE:
      one, other = other, one
    if isinstance(other, (int, float)):
      return {**node, "args": [one], "kwargs": {"y": other}}
  if isinstance(node, list) and node and isinstance(node[0], str):  # tf_keras
    first, index, tensor, settings = node
    other = settings.get("y")
    if first == CONSTANT and operation in COMMUTATIVE:
      return [[*other, {"y": tensor}]]
    if isinstance(other, list):
      return [[first, index, tensor, {}], [*other, {}]]
    return [[first, index, tensor, {} if other is None else {"y": other}]]
  return node


@contextlib.contextmanager
def readable(path: pathlib.Path, config: Any) -> Iterator[pathlib.Path]:
  """A copy of a .h5 file with another description, for as long as it is read."""
  with tempfile.TemporaryDirectory() as folder:
    copy = pathlib.Path(folder) / "model.h5"
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
      file.attrs["model_config"] = json.dumps(config)
    yield copy
