"""What a run will keep on disk, computed from its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.options.export import QUANTIZATIONS

if TYPE_CHECKING:
  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.plan.estimate import Counts
  from nadv2_tf.pipeline.plan.simulation import Simulation
  from nadv2_tf.spec import SearchSpace

#: variables of an optimizer for each weight
SLOTS = {"sgd": 1, "rmsprop": 2, "adam": 2}
#: bytes of the journal for each sample: some words, and each decision
ENTRY, DECISION = 110, 5
#: a page, pictures, settings
REPORT_BYTES = 2**20
MEBI = 2**20


def sizes(
  given: RunOptions, space: SearchSpace, counts: Counts, simulation: Simulation
) -> dict[str, float]:
  """{what: bytes}; "checkpoints" are there while a network is trained only."""
  weights = 4 * space.largest().parameters()
  found = 4 * simulation.found[-1].parameters()
  slots = SLOTS[given.train.optimizer] + bool(given.train.ema)
  networks = [weights if name == "full" else found for name in counts.networks]
  named = zip(counts.networks, networks, strict=True)
  quantized = sum(size for name, size in named if name in counts.quantized)
  files = sum(networks) + QUANTIZATIONS[given.export.quantization] * quantized
  if counts.full_is_first and "full" not in counts.networks:
    networks.append(weights)  # which is kept, and not exported
  return {
    # That of each half stays beside it.
    "super-network": 3 * weights if counts.half_steps else weights,
    "networks": sum(networks),
    "files": files,
    "journals": counts.samples * (ENTRY + DECISION * len(space.decisions)),
    "report": REPORT_BYTES,
    "checkpoints": (given.checkpoint.keep_checkpoints + 1) * weights * (1 + slots),
  }


def lines(
  given: RunOptions, space: SearchSpace, counts: Counts, simulation: Simulation
) -> list[str]:
  """`sizes` in one line."""
  found = sizes(given, space, counts, simulation)
  passing = found.pop("checkpoints")
  told = ", ".join(f"{name} {size / MEBI:.1f}" for name, size in found.items())
  return [
    f"disk    {sum(found.values()) / MEBI:.1f} MiB ({told}), and up to {passing / MEBI:.1f} MiB of "
    "checkpoints while it trains"
  ]
