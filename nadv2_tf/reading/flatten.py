"""Walks a Keras model, through all models nested in it, and makes one graph of its layers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import keras

from nadv2_tf.reading import layers, old_files, operations
from nadv2_tf.reading.errors import ReadError
from nadv2_tf.reading.graph import Node, UnplacedError

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.shapes import Shape

#: whose calls do what their layers say
CALLS = ("Functional.call", "Sequential.call")


@dataclasses.dataclass
class Graph:
  """A model's layers from its images to its output, as far as they have places.

  `end` is of the kind "unplaced" where a layer has none; its label and `refusal` say which and why.
  """

  images: Node
  end: Node
  dropped: list[str]
  refusal: str = ""


class _StopError(Exception):
  """The first layer without a place; nothing behind it is looked at."""

  def __init__(self, node: Node, reason: str) -> None:
    super().__init__(reason)
    self.node = node


def graph_of(model: keras.Model, input_shape: Shape | None = None) -> Graph:
  """The graph of a functional or sequential model of images.

  Raises:
    ReadError: if it is another model, or of something else.
  """
  check_model(model)
  if type(model) is keras.Sequential and not model.built:
    if input_shape is None:
      raise ReadError(f"{name_of(model)} has no input shape yet; give input_shape.")
    model.build((None, *input_shape))
  images = Node("input", (), image_shape(model, input_shape), "the images")
  walker = _Walker()
  try:
    end = walker.walk(model, images)
  except _StopError as stop:
    return Graph(images, stop.node, walker.dropped, str(stop))
  return Graph(images, end, walker.dropped)


def name_of(model: Any) -> str:
  return f"{type(model).__name__} {model.name!r}"


def check_model(model: Any) -> None:
  """Raises ReadError for a model whose layers cannot be walked."""
  if not isinstance(model, keras.Model):
    raise ReadError(f"{type(model).__name__} is not a model of Keras 3; a keras.Model is read.")
  call = type(model).call
  if call.__qualname__ not in CALLS or not call.__module__.startswith("keras."):
    raise ReadError(
      f"{name_of(model)} is a class of its own, and what its call computes cannot be read; a "
      "functional or Sequential model would be understood."
    )
  if not isinstance(model, keras.Sequential):
    for ends, word in ((model.inputs, "inputs"), (model.outputs, "outputs")):
      if len(ends) != 1:
        raise ReadError(
          f"{name_of(model)} has {len(ends)} {word}; one image and one output would be understood."
        )


def image_shape(model: keras.Model, given: Shape | None) -> Shape:
  """(height, width, channels) of the images.

  Raises:
    ReadError: if the model is not of images, or of any size and `given` has none.
  """
  own = tuple(model.inputs[0].shape)[1:]
  if len(own) != 3:
    raise ReadError(
      f"{name_of(model)} has an input of the shape {own}; images, (height, width, channels), would "
      "be understood."
    )
  if given is not None:
    if len(given) != 3 or own[-1] not in (None, given[-1]):
      raise ReadError(f"{name_of(model)} takes images of the shape {own}, got input_shape {given}.")
    own = tuple(given)
  if None in own:
    raise ReadError(
      f"{name_of(model)} takes images of any size, {own}; give the size as input_shape."
    )
  return own


class _Walker:
  """Makes nodes of layers, and remembers which had weights."""

  def __init__(self) -> None:
    self.dropped: list[str] = []
    self._seen: set[int] = set()

  def walk(self, model: Any, x: Node) -> Node:
    """The node of what `model` makes of `x`."""
    if isinstance(model, keras.Sequential):
      for layer in model.layers:
        x = self._apply(layer, [x], [x])
      return x
    values = {id(model.inputs[0]): x}
    for depth in sorted(model._nodes_by_depth, reverse=True):
      for call in model._nodes_by_depth[depth]:
        if call.is_input or any(id(tensor) not in values for tensor in call.input_tensors):
          continue
        args, kwargs = call.arguments.fill_in(values)
        inputs = [values[id(tensor)] for tensor in call.input_tensors]
        if len(call.outputs) != 1:
          raise self._stop(
            call.operation, inputs, "it has several outputs; one would be understood"
          )
        if isinstance(call.operation, old_files.Operator):
          arguments = [*_flat(args), *(item for name, item in kwargs.items() if name == "y")]
        else:
          arguments = [*_flat(args), *(item for item in kwargs.values() if isinstance(item, Node))]
        values[id(call.outputs[0])] = self._apply(call.operation, inputs, arguments)
    return values[id(model.outputs[0])]

  def _apply(self, operation: Any, inputs: list[Node], arguments: list[Any]) -> Node:
    label = f"{type(operation).__name__} {operation.name!r}"
    if isinstance(operation, keras.layers.InputLayer):
      return inputs[0]
    try:
      if not isinstance(operation, keras.layers.Layer):
        return operations.place(operation, arguments, label)
      if isinstance(operation, old_files.Operator):
        return operations.OPERATIONS[operation.operation](operation, arguments, label)
      self._once(operation)
      if isinstance(operation, keras.Model):
        check_model(operation)
        return self.walk(operation, inputs[0])
      if type(operation) is getattr(keras.layers, "Pipeline", None):
        x = inputs[0]
        for layer in operation.layers:
          x = self._apply(layer, [x], [x])
        return x
      if type(operation) in (*layers.AUGMENTATION, *layers.NOISE):
        return self._drop(operation, inputs[0], label)
      return layers.place(operation, inputs, label)
    except (UnplacedError, ReadError) as error:
      raise self._stop(operation, inputs, str(error)) from None

  def _stop(self, operation: Any, inputs: list[Node], reason: str) -> _StopError:
    label = f"{type(operation).__name__} {operation.name!r}"
    node = Node("unplaced", tuple(inputs), inputs[0].shape, label)
    return _StopError(node, f"{label} has no place: {reason.rstrip('.')}.")

  def _once(self, layer: keras.layers.Layer) -> None:
    if layer.weights and id(layer) in self._seen:
      raise UnplacedError("it is used twice, with the same weights; one place would be understood")
    self._seen.add(id(layer))

  def _drop(self, layer: Any, x: Node, label: str) -> Node:
    """Leaves out what does nothing outside of training."""
    if type(layer) in layers.AUGMENTATION:
      self.dropped.append(f"{label} is left out: images are augmented by the options of training.")
    elif type(layer) is keras.layers.Dropout and layer.noise_shape is None:
      # Told by the parser, unless it stands before the classifier, where specs have one.
      if layer.rate:
        x.dropout = (float(layer.rate), label)
    elif type(layer) is not keras.layers.ActivityRegularization:
      self.dropped.append(f"{label} is left out: it works in training only.")
    return x


def _flat(arguments: Any) -> list[Any]:
  """Arguments in order, lists of tensors taken apart."""
  found: list[Any] = []
  for item in arguments:
    if isinstance(item, (list, tuple)) and any(isinstance(part, Node) for part in item):
      found.extend(item)
    else:
      found.append(item)
  return found
