"""Writes a TFLite file straight from its schema: no TensorFlow, no converter, milliseconds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from nadv2_tf.benchmarks.tables.flat_fusion import Step, fused

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  from numpy.typing import ArrayLike

#: of the schema, not of its writer
VERSION = 3
IDENTIFIER = b"TFL3"
#: bytes that weights start at a multiple of, as the converter places them
ALIGNMENT = 16
#: bytes of a tensor and of an operator in the file, at least: the builder then never grows
_ENTRY_BYTES = 300
_TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32}


@dataclasses.dataclass(frozen=True)
class FlatTensor:
  """A tensor of a `FlatGraph`; slices as TensorFlow's do, of steps of one."""

  graph: FlatGraph = dataclasses.field(repr=False)
  index: int
  shape: tuple[int, ...]

  def __getitem__(self, key: tuple[Any, ...]) -> FlatTensor:
    if key[0] is Ellipsis:
      key = (slice(None),) * (len(self.shape) - len(key) + 1) + key[1:]
    return self.graph.slice(self, key)


class _Buffer:
  """Bytes that start at a multiple of `ALIGNMENT`, which the generated `BufferT` cannot."""

  def __init__(self, values: np.ndarray) -> None:
    self.values = values

  def Pack(self, builder: flatbuffers.Builder) -> int:
    values = np.ascontiguousarray(self.values).reshape(-1).view(np.uint8)
    builder.Prep(ALIGNMENT, len(values))
    vector = builder.CreateNumpyVector(values)
    schema.BufferStart(builder)
    schema.BufferAddData(builder, vector)
    return schema.BufferEnd(builder)


class FlatGraph:
  """Tensors and operators in the order in which they run."""

  def __init__(self) -> None:
    self._tensors: list[schema.TensorT] = []
    self._steps: list[Step] = []
    self._inputs: list[int] = []
    # Buffer 0 is empty: that of all tensors that are computed.
    self._buffers = [schema.BufferT()]
    self._weights: set[int] = set()
    self._shared: dict[tuple[Any, ...], FlatTensor] = {}

  def input(self, name: str, shape: Iterable[int]) -> FlatTensor:
    tensor = self._tensor(name, tuple(shape))
    self._inputs.append(tensor.index)
    return tensor

  def constant(self, values: np.ndarray) -> FlatTensor:
    """A tensor with a buffer of its own, whatever else has the same values."""
    self._buffers.append(_Buffer(values))
    name = f"constant_{len(self._tensors)}"
    tensor = self._tensor(name, values.shape, values.dtype.name, len(self._buffers) - 1)
    if values.dtype == np.float32 and values.ndim == 1:
      self._weights.add(tensor.index)
    return tensor

  def shared(self, values: np.ndarray) -> FlatTensor:
    """A constant that all askers of the same values share, as converted files share them."""
    key = (values.dtype.name, values.shape, values.tobytes())
    if key not in self._shared:
      self._shared[key] = self.constant(values)
    return self._shared[key]

  def integers(self, values: ArrayLike) -> FlatTensor:
    return self.shared(np.array(values, np.int32))

  def apply(
    self,
    name: str,
    inputs: Sequence[FlatTensor],
    shape: tuple[int, ...],
    options: Any = None,
    version: int = 1,
  ) -> FlatTensor:
    """The output of an operator.

    Args:
      name: the operator's, as in the schema's `BuiltinOperator`.
      inputs: `FlatTensor`s.
      shape: of the output.
      options: the schema's object of its options (`Conv2DOptionsT`), None for none.
      version: of the operator.
    """
    output = self._tensor(f"{name.lower()}_{len(self._steps)}", shape)
    operator = schema.OperatorT()
    operator.inputs = [tensor.index for tensor in inputs]
    operator.outputs = [output.index]
    if options is not None:
      operator.builtinOptions = options
      kind = type(options).__name__.removesuffix("T")
      operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    self._steps.append(Step(name, version, operator))
    return output

  def slice(self, x: FlatTensor, key: Sequence[Any]) -> FlatTensor:
    """`x[key]`, a slice of each axis; a missing end is a bit in a mask, and 0."""
    options = schema.StridedSliceOptionsT()
    options.beginMask = sum(1 << axis for axis, cut in enumerate(key) if cut.start is None)
    options.endMask = sum(1 << axis for axis, cut in enumerate(key) if cut.stop is None)
    ends = [
      self.integers([cut.start or 0 for cut in key]),
      self.integers([cut.stop or 0 for cut in key]),
      self.integers([1] * len(key)),
    ]
    shape = tuple(len(range(*cut.indices(size))) for cut, size in zip(key, x.shape, strict=True))
    return self.apply("STRIDED_SLICE", [x, *ends], shape, options)

  def content(self, outputs: Iterable[FlatTensor]) -> bytes:
    """The file, as bytes, whose outputs are these `FlatTensor`s."""
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.inputs = self._inputs
    graph.outputs = [tensor.index for tensor in outputs]
    codes: dict[tuple[str, int], int] = {}
    steps = fused(self._steps, graph.outputs, self._weights)
    for step in steps:
      step.operator.opcodeIndex = codes.setdefault((step.name, step.version), len(codes))
    graph.tensors, graph.operators = self._tensors, [step.operator for step in steps]
    model = schema.ModelT()
    model.version = VERSION
    model.description = "Random weights, for timing."
    model.operatorCodes = [_code(*key) for key in codes]
    model.subgraphs = [graph]
    model.buffers = self._buffers
    weights = sum(buffer.values.nbytes + ALIGNMENT for buffer in self._buffers[1:])
    entries = len(self._tensors) + len(steps) + len(self._buffers) + 10
    builder = flatbuffers.Builder(weights + _ENTRY_BYTES * entries)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())

  def _tensor(
    self, name: str, shape: tuple[int, ...], kind: str = "float32", buffer: int = 0
  ) -> FlatTensor:
    tensor = schema.TensorT()
    tensor.name, tensor.shape = name, shape
    tensor.type, tensor.buffer = _TYPES[kind], buffer
    tensor.hasRank = True
    self._tensors.append(tensor)
    return FlatTensor(self, len(self._tensors) - 1, shape)


def _code(name: str, version: int) -> schema.OperatorCodeT:
  code = schema.OperatorCodeT()
  # Runtimes from before 2020 read only the older field, which ends at 127.
  code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
  code.version = version
  return code
