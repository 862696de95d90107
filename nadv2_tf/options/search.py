"""What is searched for, and how."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from nadv2_tf.option import Described, option, options_of
from nadv2_tf.options import timing
from nadv2_tf.resources import COUNTS, fpga
from nadv2_tf.search import OPTIMIZERS

LATENCY, FPGA = "latency_ms", "fpga_ms"
METRICS = (LATENCY, FPGA, *COUNTS)


def _check_metric(name: str) -> None:
  if name not in METRICS and ":" not in name:
    raise ValueError(f"must be one of {', '.join(METRICS)}, or package.module:Class, got {name!r}.")


def optimizer_names() -> list[str]:
  """Optimizers that a command can run: those that search with shared weights."""
  return [name for name in OPTIMIZERS if not OPTIMIZERS[name].trains_samples]


def _check_optimizer(name: str) -> None:
  if name in OPTIMIZERS and OPTIMIZERS[name].trains_samples:
    raise ValueError(
      f"{name} trains every sample, and the commands only score samples with shared weights; it "
      "is there from Python alone, with a TrainingEvaluator (nadv2_tf.search.NetAdaptV1 and "
      "nadv2_tf.training.scoring.trained_samples)."
    )
  if name not in OPTIMIZERS:
    raise ValueError(f"must be one of {', '.join(optimizer_names())}, got {name!r}.")


@dataclasses.dataclass(frozen=True)
class SearchOptions(timing.DeviceOptions):
  """What is searched for, and how.

  `optimizer_settings` are options of the optimizers themselves (`optimizer_options`): those given,
  and the defaults of the chosen optimizer and of mcd, by which random counts its samples.
  """

  metric: str = option(
    LATENCY,
    f"The resource that is limited: {', '.join(METRICS)}; or package.module:Class, a meter of your "
    "own in a module that can be imported.",
    check=_check_metric,
  )
  fpga: str = option(
    "",
    f"Of --metric={FPGA}, milliseconds from image to image of the fastest pipeline: {fpga.KNOWN}.",
  )
  target: str = option(
    "50%",
    "Largest resource of the found network: a number (milliseconds, MACs, parameters, bytes; 225e6 "
    "and 225M are the same), or a share of the largest network's, such as 50%. Several, such as "
    "30,20,10, find a network for each.",
  )
  limit: str = option(
    "",
    "What the found network must meet besides, such as 'parameters<=2e6,size_bytes<=1e6' (quoted, "
    f"for the shell): each of {', '.join(COUNTS)}, or package.module:Class as of --metric, at most "
    "once, with a number or a share of the largest network's.",
  )
  num_threads: int = timing.num_threads()
  cpu_mask: str | None = timing.cpu_mask()
  delegate: str = timing.delegate()
  require_full_delegation: bool = timing.require_full_delegation()
  benchmark_flags: str = timing.benchmark_flags()
  npu_libraries: str | None = timing.npu_libraries()
  check_outputs: bool = option(
    True,
    "Compare what the found network gives on the device, with its delegate, with what LiteRT gives "
    "on this machine, on hold-out images.",
  )
  confirm_every: int = option(
    5,
    "The best sample of every n-th iteration, and the found network, are also measured on the "
    "device itself.",
    low=1,
  )
  tighten: int = option(
    2,
    "How often the search goes on, for less or for more, if the found network is above the target "
    "as measured on the device, or more than 5 % below it.",
    low=0,
  )
  max_spread: float = timing.max_spread()
  attempts: int = timing.attempts()
  on_unsteady: str = option(
    "fail",
    "What becomes of a latency table that its own check finds off by more than 10 %, however often "
    "it was measured: fail stops there, mark goes on with it and says so at the end.",
    choices=timing.ON_UNSTEADY,
    is_how=True,
  )
  search_precision: str = option(
    "float32",
    "How the files are stored that are timed while searching for latency: int8 where the network "
    "will be exported with --quantization=int8 or int8_qat.",
    choices=timing.PRECISIONS,
  )
  search_optimizer: str = option(
    "mcd",
    f"What searches: {', '.join(optimizer_names())}. mcd is multi-layer coordinate descent, scd "
    "single-layer; uniform scales all widths by one factor, for comparison.",
    check=_check_optimizer,
  )
  half_epochs: float = option(
    0.0,
    "Of hurricane: epochs that the super-network is trained for, before each half of the blocks is "
    "searched, on what is still free: the later half's options with the earlier one at its base, "
    "then the earlier half's with what was found for the later one. 0: both halves are searched "
    "with what --epochs trained on the whole space.",
    low=0,
  )
  optimizer_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  race: bool = option(
    True,
    "Score all samples of an iteration on a quarter of the hold-out, the best quarter of them on "
    "half of it more, and the best three on the rest, which had no part in choosing them; without, "
    "and with a hold-out of less than 400 images, every sample is scored on all images.",
  )

  def __post_init__(self) -> None:
    super().__post_init__()
    timing.rename_delegate(self)
    if bool(self.fpga) != (self.metric == FPGA):
      raise ValueError(
        f"--metric={FPGA} is of an FPGA that --fpga names, {fpga.KNOWN}; got "
        f"--metric={self.metric} and --fpga={self.fpga}."
      )
    # A folder and a report say them all, and another version's defaults are other settings.
    settings = default_settings(self.search_optimizer) | dict(self.optimizer_settings)
    object.__setattr__(self, "optimizer_settings", settings)


def default_settings(optimizer: str) -> dict[str, Any]:
  """What an optimizer, and mcd, takes where nothing is given."""
  found = {
    name: described.default
    for each in ("mcd", optimizer)
    for name, described in options_of(OPTIMIZERS[each]).items()
  }
  found.pop("samples", None)  # random's is what mcd would take
  return found


def optimizer_options() -> dict[str, tuple[Described, dict[str, Any]]]:
  """{option: (`Described`, {optimizer: its default})} of all optimizers that a command can run."""
  found: dict[str, tuple[Described, dict[str, Any]]] = {}
  for optimizer in optimizer_names():
    for name, described in options_of(OPTIMIZERS[optimizer]).items():
      _, defaults = found.setdefault(name, (described, {}))
      defaults[optimizer] = described.default
  return found
