"""nadv2-count: MACs, parameters and shapes of a network.

Of a spec without TensorFlow; a Keras model is read first, and what of it can be searched is told.
"""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from nadv2_tf import backbones
from nadv2_tf.flags.define import define
from nadv2_tf.options import NetworkOptions
from nadv2_tf.options.network import KERAS
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow
from nadv2_tf.resources import fpga
from nadv2_tf.resources.fpga_pipeline import FpgaMeter
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.files import read_bounded
from nadv2_tf.spec.serialization import LARGEST_TEXT

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

  from nadv2_tf.spec import SearchSpace

FLAGS = flags.FLAGS
#: Keras files, and what is told of a SavedModel's own where it is read
KERAS_FILES = (".keras", ".h5", ".hdf5", ".pb")
#: options that say how a Keras model is read
KERAS_OPTIONS = ("image_size", "input_range", "bypass", "fixed_blocks")


def define_flags() -> None:
  flags.DEFINE_string(
    "network",
    None,
    "A known network's name, the .json file of a spec, or a Keras model (.keras, .h5, keras:NAME "
    "of keras.applications).",
    required=True,
  )
  define(NetworkOptions, *KERAS_OPTIONS)
  flags.DEFINE_string(
    "fpga",
    None,
    f"Also the fastest pipeline on an FPGA: {fpga.KNOWN}.",
  )
  flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def load_network(name: str) -> NetworkSpec:
  """The spec of a known name or of a .json file.

  Raises:
    ValueError: naming the known networks, or what is wrong with the file.
  """
  path = pathlib.Path(name)
  if path.suffix not in ("", ".json"):
    raise ValueError(f"--network={name} is no known network, and no .json, .keras or .h5 file.")
  if path.suffix != ".json":
    return backbones.network(name)
  try:
    return NetworkSpec.from_json(read_bounded(path, LARGEST_TEXT).decode("utf-8"))
  except FileNotFoundError:
    raise ValueError(f"There is no file {path}.") from None
  except (ValueError, OSError) as error:
    raise ValueError(f"{path}: {error}") from None


def is_keras(name: str) -> bool:
  """Whether a network is a Keras model rather than a spec; a folder may be a SavedModel."""
  if name.startswith(KERAS) or name.endswith(KERAS_FILES):
    return True
  return name not in backbones.network_names() and pathlib.Path(name).is_dir()


def read_keras(name: str) -> tuple[NetworkSpec, list[str]]:
  """(the spec of a Keras model as a run would search it, what was understood of it, as lines).

  Raises:
    ValueError: in one line, if it cannot be read.
  """
  start_tensorflow("nadv2-count of a Keras model")
  from nadv2_tf.pipeline.stages import workbench
  from nadv2_tf.pipeline.stages.given.paper import on_paper

  values: dict[str, Any] = {each: FLAGS[each].value for each in KERAS_OPTIONS}
  is_named = name.startswith(KERAS)
  where = {"backbone": name, "weights": "none"} if is_named else {"network": name}
  try:
    found = on_paper(NetworkOptions(**values | where))
  except ValueError as error:  # which names the flag of a run
    told = str(error).replace(f"--backbone={name}", f"--network={name}")
    raise ValueError(told) from None
  space = found.space().keeping(workbench.parse_blocks(values["fixed_blocks"]))
  return space.largest(), [*(f"understood  {line}" for line in found.lines), *_searched(space)]


def _check_as_it_is(name: str) -> None:
  """Raises ValueError for a flag that says how a Keras model is read, where there is none."""
  for option in KERAS_OPTIONS:
    if not FLAGS[option].using_default_value:
      raise ValueError(
        f"--{option}={FLAGS[option].value} is for Keras models; {name} is counted as it is."
      )


def _searched(space: SearchSpace) -> list[str]:
  """What of a network is searched and what is fixed, as lines."""
  kinds = [decision.kind for decision in space.decisions]
  searched = {index for decision in space.decisions for index in decision.blocks}
  fixed: dict[str, list[str]] = {}
  for index, block in enumerate(space.largest().blocks):
    if index not in searched:
      fixed.setdefault(block.kind, []).append(str(index + 1))
  told = "; ".join(f"{kind} in block {', '.join(numbers)}" for kind, numbers in fixed.items())
  return [
    f"searched    {kinds.count('width')} widths and {kinds.count('kernel')} kernel sizes, in "
    f"{len(searched)} of {len(space.largest().blocks)} blocks",
    f"fixed       {told or 'nothing'}",
  ]


def describe(spec: NetworkSpec) -> dict[str, Any]:
  """The counts of a spec as a dictionary."""
  blocks = [
    {
      "block": index + 1,
      "kind": block.kind,
      "output": list(output),
      "layers": [
        {
          "kind": layer.kind,
          "field": layer.field,
          "in_channels": layer.in_channels,
          "kept": layer.kept,
          "out_channels": layer.out_channels,
          "kernel": layer.kernel,
          "stride": layer.stride,
          "macs": layer.macs(),
          "parameters": layer.parameters(),
        }
        for layer in layers
      ],
    }
    for index, (block, layers, output) in enumerate(
      zip(spec.blocks, spec.layers(), spec.block_outputs(), strict=True)
    )
  ]
  return {
    "name": spec.name,
    "input_shape": list(spec.input_shape),
    "macs": spec.macs(),
    "macs_with_bias": spec.macs(bias=True),
    "macs_millions": f"{spec.macs() / 1e6:.2f}M",
    "macs_with_bias_millions": f"{spec.macs(bias=True) / 1e6:.2f}M",
    "parameters": spec.parameters(),
    "blocks": blocks,
  }


def on_fpga(spec: NetworkSpec, device: fpga.Fpga) -> dict[str, Any]:
  """The fastest pipeline of a spec on an FPGA, as a dictionary; see `FpgaMeter.pipeline`."""
  pipeline = FpgaMeter(device).pipeline(spec)
  return {
    "device": device.name,
    "interval_ms": pipeline.interval_ms,
    "latency_ms": pipeline.latency_ms,
    "dsp": pipeline.dsp,
    "bram36": pipeline.bram36,
    "engines": [vars(engine) for engine in pipeline.engines],
  }


def fpga_lines(found: Mapping[str, Any], device: fpga.Fpga) -> list[str]:
  """What `on_fpga` gives, as text; the engines in the order of the layers that compute."""
  slowest = max(engine["cycles"] for engine in found["engines"])
  return [
    f"on {found['device']}: {1e3 / found['interval_ms']:,.0f} images a second, one each "
    f"{found['interval_ms']:.4g} ms, after {found['latency_ms']:.4g} ms at most",
    f"  {found['dsp']} of {device.dsp} DSPs, {found['bram36']} of {device.bram36} BRAMs, "
    f"{device.clock_mhz:g} MHz, {device.bits} bits; computed, not measured",
    "  multipliers (inputs x outputs) of each layer, the slowest marked: "
    + " ".join(
      f"{engine['inputs']}x{engine['outputs']}" + "*" * (engine["cycles"] == slowest)
      for engine in found["engines"]
    ),
  ]


def table(counts: Mapping[str, Any]) -> str:
  """The counts as text, one block a line."""
  lines = [
    f"{counts['name']}  input {'x'.join(map(str, counts['input_shape']))}",
    "block  kind                  output         layers (in>kept>out)          MACs   parameters",
  ]
  for block in counts["blocks"]:
    flow = " ".join(_flow(block["layers"]))
    macs = sum(layer["macs"] for layer in block["layers"])
    parameters = sum(layer["parameters"] for layer in block["layers"])
    output = "x".join(map(str, block["output"]))
    lines.append(
      f"{block['block']:5d}  {block['kind']:20s}  {output:13s}  {flow or 'removed':27s} "
      f"{macs:11,} {parameters:10,}"
    )
  lines += [
    f"MACs (conv, dense and squeeze-and-excite products)   {counts['macs_millions']}",
    f"MACs with half a MAC per conv output for the bias    {counts['macs_with_bias_millions']}",
    f"parameters (trainable)                               {counts['parameters']:,}",
  ]
  return "\n".join(lines)


def _flow(layers: Sequence[Mapping[str, Any]]) -> list[str]:
  """Words on a block's layers: channels where there are filters, else what the layers are."""
  filtered = [
    f"{layer['in_channels']}>{layer['kept']}>{layer['out_channels']}"
    for layer in layers
    if layer["kind"] in ("conv", "depthwise", "classifier")
  ]
  return filtered or [_words(layer) for layer in layers]


def _words(layer: Mapping[str, Any]) -> str:
  """A layer without filters in words: "max pool 3", "norm"."""
  size = f" {layer['kernel']}" if layer["kernel"] else ""
  return layer["kind"].replace("_", " ") + size


def main() -> None:
  name: str = FLAGS.network
  lines: list[str] = []
  if is_keras(name):
    spec, lines = read_keras(name)
  else:
    _check_as_it_is(name)
    spec = load_network(name)
  counts = describe(spec)
  if FLAGS.fpga is not None:
    device = fpga.load(FLAGS.fpga)
    counts["fpga"] = on_fpga(spec, device)
    lines += fpga_lines(counts["fpga"], device)
  if FLAGS.json:
    counts |= {"notes": lines} if lines else {}
    print(json.dumps(counts, indent=2))
  else:
    print("\n".join([table(counts), *lines]))


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
