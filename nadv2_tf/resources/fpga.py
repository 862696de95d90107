"""What an FPGA makes of a network: units for each layer, by an integer program, and their latency.

The accelerator is a pipeline: every layer has an engine of its own, which works on one image while
the next layer works on the one before. An engine has p x q multipliers, p for input channels and q
for output channels, and its layer takes

  ceil(C / p) ceil(M / q) k^2 H W    cycles for C inputs, M filters, kernel k and H x W outputs,
  ceil(C / p) k^2 H W                for a depthwise layer, whose q is 1.

The pipeline gives an image in the cycles of its slowest layer; an integer program chooses all p and
q at once so that these are fewest, within the DSPs and the BRAM of the device.

Source: HAO, Dong et al., FCCM 2021, abstract: given the resources of the hardware, integer
programming gives the accelerator of the smallest latency. Its equations are not public; these are
ours.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.record import Record
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from collections.abc import Iterable, Sequence

  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.spec.shapes import LayerShape

LARGEST_FILE = 2**16
BRAM_BITS = 36 * 1024
#: what is smaller than this needs no BRAM
REGISTER_BITS = 1024
#: multipliers of an engine side by side, at most, for inputs and for outputs
MOST_PARALLEL = 64


@dataclasses.dataclass(frozen=True)
class Fpga(Record):
  """A device.

  Attributes:
    dsp, bram36: how many DSPs, and memories of 36 Kb, it has.
    lut: its look-up tables; told, and limits nothing: what an engine takes of them is the tool's.
    clock_mhz: of the accelerator.
    bits: of weights and activations.
    macs_per_dsp: multiplications that a DSP does in a cycle with so many bits.
  """

  name: str
  dsp: int
  bram36: int
  lut: int
  clock_mhz: float = 200.0
  bits: int = 8
  macs_per_dsp: float = 2.0

  def __post_init__(self) -> None:
    for field in ("dsp", "bram36", "lut", "clock_mhz", "bits", "macs_per_dsp"):
      if not 0 < getattr(self, field) < math.inf:
        raise ValueError(f"{field} of an FPGA must be above 0, got {getattr(self, field)}.")


#: the example that comes with the package: a Zynq UltraScale+ with HAO's resources
FPGAS = {"zu3eg": Fpga("zu3eg", dsp=360, bram36=216, lut=70560)}


def load(name: str) -> Fpga:
  """A known device by name, or the .json file of another one.

  Raises:
    ValueError: in one line, naming the known devices, or file and field.
  """
  if name in FPGAS:
    return FPGAS[name]
  path = pathlib.Path(name)
  if path.suffix != ".json":
    raise ValueError(f"An FPGA is one of {', '.join(FPGAS)} or a .json file, got {name!r}.")
  try:
    value = json.loads(read_bounded(path, LARGEST_FILE).decode("utf-8"))
  except FileNotFoundError:
    raise ValueError(f"There is no file {path}.") from None
  except (ValueError, RecursionError):
    raise ValueError(f"{path} is no JSON file.") from None
  try:
    return Fpga.from_json(value, str(path))
  except ValueError as error:
    message = str(error)
    raise ValueError(message if str(path) in message else f"{path}: {message}") from None


@dataclasses.dataclass(frozen=True)
class Engine:
  """An engine for one layer, with what it takes."""

  inputs: int
  outputs: int
  cycles: int
  dsp: int
  bram36: int


@dataclasses.dataclass(frozen=True)
class Pipeline:
  """An accelerator: an `Engine` for each layer that computes, in the order of the layers."""

  device: Fpga
  engines: tuple[Engine, ...]

  @property
  def dsp(self) -> int:
    return sum(engine.dsp for engine in self.engines)

  @property
  def bram36(self) -> int:
    return sum(engine.bram36 for engine in self.engines)

  @property
  def interval_ms(self) -> float:
    """Milliseconds from one image to the next."""
    return max(engine.cycles for engine in self.engines) / self.device.clock_mhz / 1e3

  @property
  def latency_ms(self) -> float:
    """Milliseconds that an image takes, if no engine starts before the one in front is done."""
    return sum(engine.cycles for engine in self.engines) / self.device.clock_mhz / 1e3


def computed(spec: NetworkSpec) -> list[LayerShape]:
  """The layers that need multipliers: convolutions, depthwise layers, classifiers.

  Squeeze-and-excite multiplies so little that its products are done while the next image comes in;
  they are left out, as additions, pools and activations are.
  """
  kinds = ("conv", "depthwise", "classifier")
  return [layer for block in spec.layers() for layer in block if layer.kind in kinds and layer.kept]


def engine(layer: LayerShape, inputs: int, outputs: int, device: Fpga) -> Engine:
  """The `Engine` of a layer with `inputs` x `outputs` multipliers.

  Its memories hold the weights that are worked with and the next ones, one memory for each
  multiplier, and k rows of the input (of a classifier all of it) in `inputs` memories; each fills
  whole halves of a BRAM. Weights come from outside; how fast is not modelled.
  """
  kernel = max(layer.kernel, 1)
  positions = layer.out_height * layer.out_width
  channels, rows = layer.in_channels, min(kernel, layer.in_height)
  if layer.kind == "classifier":
    channels, rows = channels * layer.in_height * layer.in_width, 1
  steps = math.ceil(channels / inputs)
  if layer.kind == "depthwise":
    steps = math.ceil(layer.kept / inputs)
  else:
    steps *= math.ceil(layer.kept / outputs)
  width = 1 if layer.kind == "classifier" else layer.in_width
  row_bits = rows * width * math.ceil(channels / inputs) * device.bits
  weight_bits = 2 * kernel**2 * device.bits
  multipliers = inputs * outputs
  return Engine(
    inputs,
    outputs,
    cycles=steps * kernel**2 * positions,
    dsp=math.ceil(multipliers / device.macs_per_dsp),
    bram36=math.ceil((multipliers * _halves(weight_bits) + inputs * _halves(row_bits)) / 2),
  )


def _halves(bits: int) -> int:
  """How many halves of a BRAM so many bits fill; what fits into registers fills none."""
  return 0 if bits <= REGISTER_BITS else math.ceil(2 * bits / BRAM_BITS)


def engines(layer: LayerShape, device: Fpga) -> list[Engine]:
  """The engines that divide a layer's channels, but those that another one is not worse than."""
  first = layer.in_channels * (
    layer.in_height * layer.in_width if layer.kind == "classifier" else 1
  )
  if layer.kind == "depthwise":
    pairs = [(inputs, 1) for inputs in _divisors(layer.kept)]
  else:
    pairs = [(i, o) for i in _divisors(first) for o in _divisors(layer.kept)]
  found = sorted(
    (engine(layer, *pair, device) for pair in pairs),
    key=lambda one: (one.cycles, one.dsp, one.bram36),
  )
  best: list[Engine] = []
  for one in found:
    if not any(other.dsp <= one.dsp and other.bram36 <= one.bram36 for other in best):
      best.append(one)
  return best


def best_pipeline(spec: NetworkSpec, device: Fpga) -> Pipeline:
  """The pipeline of the shortest interval within the DSPs and the BRAM of a device.

  Of pipelines that are as fast any may be given.

  Raises:
    ValueError: if even engines of one multiplier each do not fit, or nothing needs any.
  """
  layers = computed(spec)
  if not layers:
    raise ValueError(f"{spec.name!r} has no layer that an engine would be for.")
  options = [engines(layer, device) for layer in layers]
  picked = _picked(options, device)
  if picked is None:
    least = Pipeline(device, tuple(min(each, key=lambda one: one.dsp) for each in options))
    raise ValueError(
      f"{spec.name!r} does not fit into {device.name} as a pipeline: {len(layers)} engines take "
      f"{least.dsp} DSPs and {least.bram36} BRAMs at least, it has {device.dsp} and "
      f"{device.bram36}."
    )
  chosen = (each[number] for each, number in zip(options, picked, strict=True))
  return Pipeline(device, tuple(chosen))


def _picked(options: Sequence[Sequence[Engine]], device: Fpga) -> list[int] | None:
  """The number of each layer's engine, None where nothing fits.

  One binary for each engine of each layer, and the slowest layer's cycles, which are to be few.
  """
  import numpy as np
  from scipy.optimize import Bounds, LinearConstraint, milp

  places = np.cumsum([0, *map(len, options)])
  count = int(places[-1])
  every = [one for each in options for one in each]
  unit = max(one.cycles for one in every)
  rows, lows, highs = [], [], []

  def add(values: Iterable[float], start: int, slowest: float, low: float, high: float) -> None:
    row = np.zeros(count + 1)
    numbers = list(values)
    row[start : start + len(numbers)] = numbers
    row[count] = slowest
    rows.append(row)
    lows.append(low)
    highs.append(high)

  for each, start in zip(options, places, strict=False):
    add([1.0] * len(each), int(start), 0, 1, 1)
    add([one.cycles / unit for one in each], int(start), -1, -np.inf, 0)
  add([one.dsp for one in every], 0, 0, -np.inf, device.dsp)
  add([one.bram36 for one in every], 0, 0, -np.inf, device.bram36)
  objective, integral = np.zeros(count + 1), np.ones(count + 1)
  objective[count], integral[count] = 1, 0
  done = milp(
    objective,
    integrality=integral,
    bounds=Bounds(0, 1),
    constraints=LinearConstraint(np.array(rows), lows, highs),
    options={"mip_rel_gap": 1e-6},
  )
  if done.x is None:
    if done.status == 2:
      return None
    raise RuntimeError(f"HiGHS gave up on a program of {count} engines: {done.message}")
  return [int(np.argmax(done.x[start:end])) for start, end in zip(places, places[1:], strict=False)]


def _divisors(number: int) -> list[int]:
  return [d for d in range(1, min(number, MOST_PARALLEL) + 1) if number % d == 0]
