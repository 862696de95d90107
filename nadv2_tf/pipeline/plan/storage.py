"""What a run will keep on disk, computed from its networks."""

#: variables of an optimizer for each weight
SLOTS = {"sgd": 1, "rmsprop": 2, "adam": 2}
#: bytes of the journal for each sample: some words, and each decision
ENTRY, DECISION = 110, 5
#: a page, pictures, settings
REPORT_BYTES = 2**20
MEBI = 2**20


def sizes(given, space, counts, simulation):
  """{what: bytes}; "checkpoints" are there while a network is trained only."""
  weights = 4 * space.largest().parameters()
  found = 4 * simulation.found[-1].parameters()
  slots = SLOTS[given.train.optimizer] + bool(given.train.ema)
  networks = [weights if name == "full" else found for name in counts.networks]
  files = sum(networks)
  if counts.full_is_first and "full" not in counts.networks:
    networks.append(weights)  # which is kept, and not exported
  if given.export and given.export.quantization != "none":
    share = 0.5 if given.export.quantization == "float16" else 0.25
    files += share * sum(
      size for name, size in zip(counts.networks, networks, strict=True) if name in counts.quantized
    )
  return {
    "super-network": weights,
    "networks": sum(networks),
    "files": files,
    "journals": counts.samples * (ENTRY + DECISION * len(space.decisions)),
    "report": REPORT_BYTES,
    "checkpoints": (given.checkpoint.keep_checkpoints + 1) * weights * (1 + slots),
  }


def lines(given, space, counts, simulation):
  """`sizes` in one line."""
  found = sizes(given, space, counts, simulation)
  passing = found.pop("checkpoints")
  told = ", ".join(f"{name} {size / MEBI:.1f}" for name, size in found.items())
  return [
    f"disk    {sum(found.values()) / MEBI:.1f} MiB ({told}), and up to {passing / MEBI:.1f} MiB of "
    "checkpoints while it trains"
  ]
