"""What a TFLite file is made of: operators, what runs them, tensors, memory."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.export.tflite import dequantized, interpreter, quantized

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence

  from ai_edge_litert.interpreter import Interpreter

DELEGATE = "DELEGATE"


@dataclasses.dataclass(frozen=True)
class Inspection:
  """Facts about one file.

  Attributes:
    operators: {operator: how often}.
    fallback: {operator: how often} of those that XNNPACK does not take on this machine; LiteRT's
      own kernels run them.
    partitions: runs of operators that XNNPACK takes; between two of them tensors change hands.
    size_bytes: of the file.
    peak_memory_bytes: largest sum of activation tensors that are needed at one moment when the
      operators run in the file's order; inputs and outputs included, weights and scratch buffers
      not. The arena of an interpreter is at least as large.
  """

  operators: dict[str, int]
  fallback: dict[str, int]
  partitions: int
  size_bytes: int
  peak_memory_bytes: int


def inspect(content: bytes) -> Inspection:
  """`Inspection` of a TFLite file given as bytes."""
  steps = interpreter(content)._get_ops_details()
  operators = [step for step in steps if step["op_name"] != DELEGATE]
  delegates = [step for step in steps if step["op_name"] == DELEGATE]
  taken = _taken(operators, delegates)
  return Inspection(
    operators=_counted(operators),
    fallback=_counted(step for step in operators if step["index"] not in taken),
    partitions=len(delegates),
    size_bytes=len(content),
    peak_memory_bytes=_peak_memory(content),
  )


def _counted(steps: Iterable[Mapping[str, Any]]) -> dict[str, int]:
  return dict(collections.Counter(step["op_name"] for step in steps).most_common())


def _taken(
  operators: Sequence[Mapping[str, Any]], delegates: Sequence[Mapping[str, Any]]
) -> set[int]:
  """Indices of the operators between the inputs and the outputs of the delegates' parts."""
  made_by = {tensor: step for step in operators for tensor in map(int, step["outputs"])}
  taken: set[int] = set()
  for delegate in delegates:
    borders = set(map(int, delegate["inputs"]))
    waiting = list(map(int, delegate["outputs"]))
    while waiting:
      tensor = waiting.pop()
      step = made_by.get(tensor)
      if tensor not in borders and step is not None and step["index"] not in taken:
        taken.add(step["index"])
        waiting.extend(map(int, step["inputs"]))
  return taken


def _peak_memory(content: bytes) -> int:
  made = interpreter(content, delegates=False)
  steps = made._get_ops_details()
  sizes = {
    details["index"]: int(np.prod(details["shape"])) * np.dtype(details["dtype"]).itemsize
    for details in made.get_tensor_details()
  }
  steps = _that_run(made, steps)
  last_use: dict[int, int] = {}
  for position, step in enumerate(steps):
    last_use |= dict.fromkeys(map(int, step["inputs"]), position)
  outputs = {details["index"] for details in made.get_output_details()}
  alive = {details["index"] for details in made.get_input_details()}
  peak = sum(sizes[tensor] for tensor in alive)
  for position, step in enumerate(steps):
    alive |= set(map(int, step["outputs"]))  # inputs that are constants never come in
    peak = max(peak, sum(sizes[tensor] for tensor in alive))
    alive = {tensor for tensor in alive if tensor in outputs or last_use.get(tensor, -1) > position}
  return peak


def _that_run(made: Interpreter, steps: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
  """Without the operators that only unpack constants, as float16 weights: they run once."""
  made_by_run = {details["index"] for details in made.get_input_details()}
  running = []
  for step in steps:
    if made_by_run.intersection(map(int, step["inputs"])):
      made_by_run |= set(map(int, step["outputs"]))
      running.append(step)
  return running


def spreads(content: bytes, images: np.ndarray) -> dict[str, float]:
  """{tensor name: standard deviation} of the outputs of every layer of a file."""
  return {name: float(values.std()) for name, values in layer_outputs(content, images).items()}


def layer_outputs(content: bytes, images: np.ndarray) -> dict[str, np.ndarray]:
  """{tensor name: float32 outputs, [images, 1, ...]} of every operator, in the file's order."""
  made = interpreter(content, delegates=False, keep_all_tensors=True)
  details = {one["index"]: one for one in made.get_tensor_details()}
  produced = [int(step["outputs"][0]) for step in made._get_ops_details()]
  (image_input,) = made.get_input_details()
  outputs: dict[str, list[np.ndarray]] = {details[index]["name"]: [] for index in produced}
  for image in images:
    made.set_tensor(image_input["index"], quantized(image[None], image_input))
    made.invoke()
    for index in produced:
      values = dequantized(made.get_tensor(index), details[index])
      outputs[details[index]["name"]].append(values)
  return {name: np.stack(values) for name, values in outputs.items()}


def layer_differences(
  reference: bytes, content: bytes, images: np.ndarray
) -> list[tuple[str, float]]:
  """How far each layer of a file is from the same layer of a reference file.

  Args:
    reference, content: files as bytes; layers of the same tensor name are compared.
    images: float32 [images, height, width, channels].

  Returns:
    [(tensor name, root mean square difference over the spread of the reference)] in the order in
    which the layers run. Differences add up along the network: the first large one is the cause.
  """
  expected, actual = layer_outputs(reference, images), layer_outputs(content, images)
  differences = []
  for name, values in expected.items():
    if name in actual and actual[name].shape == values.shape:
      difference = float(np.sqrt(np.mean(np.square(actual[name] - values))))
      spread = float(values.std())
      differences.append((name, difference / spread if spread else float(difference > 0)))
  return differences
