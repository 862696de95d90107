"""An FPGA, and what an engine for one layer takes of it.

The accelerator is a pipeline: every layer has an engine of its own, which works on one image while
the next layer works on the one before. An engine has p x q multipliers, p for input channels and q
for output channels, and its layer takes

  ceil(C / p) ceil(M / q) k^2 H W    cycles for C inputs, M filters, kernel k and H x W outputs,
  ceil(C / p) k^2 H W                for a depthwise layer, whose q is 1.

How the engines are chosen stands in `fpga_pipeline`.

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
  from collections.abc import Iterable

  from nadv2_tf.spec.shapes import LayerShape

LARGEST_FILE = 2**16
#: kinds of layers that an engine is for
COMPUTED = ("conv", "depthwise", "classifier")
BRAM_BITS = 36 * 1024
#: what is smaller than this needs no BRAM
REGISTER_BITS = 1024
#: two products of so many bits fit into the multiplier of a DSP
PACKED_BITS = 8
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
    macs_per_dsp: multiplications that a DSP does in a cycle with so many bits; None stands for two
      with up to 8 bits and one above, and is replaced by it. A DSP48E2 has one multiplier of 27 x
      18 bits, into which two products of 8 bits with a common factor can be packed (Xilinx WP486,
      Deep Learning with INT8 Optimization on Xilinx Devices). What takes several DSPs for a product
      must be given, as a number below 1.
  """

  name: str
  dsp: int
  bram36: int
  lut: int
  clock_mhz: float = 200.0
  bits: int = 8
  macs_per_dsp: float | None = None

  def __post_init__(self) -> None:
    if self.macs_per_dsp is None:
      object.__setattr__(self, "macs_per_dsp", 2.0 if self.bits <= PACKED_BITS else 1.0)
    for field in ("dsp", "bram36", "lut", "clock_mhz", "bits", "macs_per_dsp"):
      if not 0 < getattr(self, field) < math.inf:
        raise ValueError(f"{field} of an FPGA must be above 0, got {getattr(self, field)}.")


#: the example that comes with the package: a Zynq UltraScale+ with HAO's resources
FPGAS = {"zu3eg": Fpga("zu3eg", dsp=360, bram36=216, lut=70560)}
#: what --fpga takes, in words
KNOWN = (
  f"{', '.join(FPGAS)}, or a .json file with name, dsp, bram36 and lut, and if you like clock_mhz, "
  "bits and macs_per_dsp"
)


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


def computed(layers: Iterable[LayerShape]) -> list[LayerShape]:
  """The layers that need multipliers: convolutions, depthwise layers, classifiers.

  Squeeze-and-excite multiplies so little that its products are done while the next image comes in;
  they are left out, as additions, pools and activations are.
  """
  return [layer for layer in layers if layer.kind in COMPUTED and layer.kept]


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
  assert device.macs_per_dsp is not None  # see `Fpga`
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
  """The engines for a layer, the fastest first, but those that another one is not worse than."""
  channels = layer.in_channels
  if layer.kind == "classifier":
    channels *= layer.in_height * layer.in_width
  if layer.kind == "depthwise":
    pairs = [(inputs, 1) for inputs in _parallel(layer.kept)]
  else:
    pairs = [(i, o) for i in _parallel(channels) for o in _parallel(layer.kept)]
  found = sorted(
    (engine(layer, *pair, device) for pair in pairs),
    key=lambda one: (one.cycles, one.dsp, one.bram36),
  )
  best: list[Engine] = []
  for one in found:
    if not any(other.dsp <= one.dsp and other.bram36 <= one.bram36 for other in best):
      best.append(one)
  return best


def _parallel(channels: int) -> list[int]:
  """How many multipliers side by side are worth having: one less, and there is a step more.

  They need not divide the channels. So whatever fits a layer fits a narrower one, and fewer
  channels never take longer.
  """
  least = math.ceil(channels / MOST_PARALLEL)
  return sorted({math.ceil(channels / steps) for steps in range(least, channels + 1)})
