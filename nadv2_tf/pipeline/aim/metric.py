"""What a run searches for, decided once.

`metric_of` alone reads --metric for it, and from --device whether there is anything to time on. The
stages ask a `Metric`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nadv2_tf.options.search import FPGA, LATENCY
from nadv2_tf.pipeline.aim.counted import Counted, OwnMeter
from nadv2_tf.pipeline.aim.of_table import OfTable, is_file
from nadv2_tf.pipeline.aim.on_device import OnDevice
from nadv2_tf.pipeline.aim.on_fpga import OnFpga
from nadv2_tf.resources import COUNTS

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.confirmation import Confirmation
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace


class Metric(Protocol):
  """The resource that a run limits, and whatever depends on which one it is."""

  @property
  def name(self) -> str:
    """As --metric names it."""

  @property
  def unit(self) -> str:
    """Of all its values, such as "ms" or "MACs"."""

  @property
  def count(self) -> ResourceMeter | None:
    """The count that it is, which needs no file and no device; None if it is none."""

  @property
  def is_timed(self) -> bool:
    """Whether it is latency as a device has it, not a count or a table's word for it."""

  @property
  def has_device(self) -> bool:
    """Whether the networks can be timed at the end of the run, whatever it searched for."""

  def check(self) -> None:
    """Raises ValueError or TimingError for what is wrong whatever the space is."""

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    """What the smallest, middle and largest network cost: {name: resource}.

    What is not exact is measured once for a folder, by the device or the user's meter itself.
    """

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    """Measures what `meter` reads, if the folder has none; whether something was measured.

    Raises:
      TimingError: if the device cannot time.
      ValueError: if what the folder has was measured otherwise.
    """

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    """The meter of the search.

    Raises:
      ValueError: if there is none, or none yet: see `prepare`.
    """

  def confirmation(
    self, folder: RunFolder, problem: Problem, progress: Progress
  ) -> Confirmation | None:
    """What measures found networks on the device; None if the meter's word counts."""

  def measured(self, attempt: Attempt) -> float | None:
    """The resource of what a search found, as far as that is known and not only predicted."""

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    """What metrics.json says of a network besides what it says of all: counts and latency."""

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    """The widest uniformly scaled network that is as fast as `found`, or costs as much.

    With it what speaks against the timings by which it was chosen, "" if nothing does.
    """


def metric_of(options: SearchOptions) -> Metric:
  """The `Metric` of a run; nothing is loaded, read or measured yet."""
  has_device = not is_file(options.device)
  if options.metric in COUNTS:
    return Counted(options.metric, options, has_device)
  if options.metric == FPGA:
    return OnFpga(options.fpga, options, has_device)
  if options.metric != LATENCY:
    return OwnMeter(options.metric, options, has_device)
  return OnDevice(options) if has_device else OfTable(options.device, options)
