"""What is compared: each method is a run with flags of its own, or another use of such a run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

#: what is held against the others; their networks are cut out of its full network
OWN = "netadaptv2"


@dataclasses.dataclass(frozen=True)
class Method:
  """One row of the table.

  Attributes:
    title: as the table has it.
    search: {flag: value} of the search.
    train: {flag: value} of the super-network's training.
    has_bypass: channel-level bypass connections, CBC.
    has_full: begins with the full network of the seed, which all share; else a run of its own.
    peer: name in `peers.ARMS`: no run, but something else to do with what the seed's run trained.
  """

  title: str
  search: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  train: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  has_bypass: bool = True
  has_full: bool = True
  peer: str = ""


def _by(optimizer: str, **settings: Any) -> dict[str, Any]:
  return {"search_optimizer": optimizer} | settings


#: of the super-networks that are trained
ONE_EPOCH = {"epochs": 1.0}

#: half of the published sizes, and fewer generations: about as many networks as MCD scores
BREEDING = {"population": 24, "parents": 6, "mutations": 12, "crossovers": 12}

METHODS = {
  OWN: Method("NetAdaptV2"),
  "no_cbc": Method("without CBC", has_bypass=False),
  "scd": Method("without MCD (SCD)", _by("scd")),
  "trained": Method("super-network, OD", train=ONE_EPOCH),
  # One sub-network in each step, drawn for all of its images, as Single Path One-Shot trains.
  "no_od": Method(
    "super-network, no OD",
    train=ONE_EPOCH | {"subnetworks_per_batch": 1, "full_subnetworks": 0},
  ),
  # As published: the super-network from the start, and the found networks with its weights.
  "paper": Method(
    "the paper's order",
    train={"order": "paper", "epochs": 3.0, "full_epochs": 1.0},
    has_full=False,
  ),
  # A width multiplier knows no bypass; with one, narrow networks would pay for its copies.
  "uniform": Method("uniform scaling", _by("uniform"), has_bypass=False),
  "threshold": Method("one global threshold", peer="threshold"),
  "netadaptv1": Method("NetAdaptV1", peer="netadaptv1"),
  "random": Method("random search", _by("random")),
  "evolution": Method("evolution", _by("evolution", **BREEDING, generations=8)),
  "hurricane": Method("HURRICANE", _by("hurricane", **BREEDING, generations=4)),
  "layernas": Method("LayerNAS", _by("layernas", buckets=4, confirm_every=100)),
  "integer_program": Method("integer program", _by("integer_program")),
  "flash": Method("FLASH", _by("flash")),
  "differentiable": Method("differentiable", _by("differentiable", descent_steps=60)),
  "fp_nas": Method("FP-NAS", _by("fp_nas", search_steps=60)),
  "fp_nas_in_turn": Method(
    "FP-NAS, in turn",
    _by("fp_nas", shared_weights="in_turn"),
    train=ONE_EPOCH | {"execution": "sliced"},
  ),
}
