"""The interval of an FPGA's fastest pipeline, computed from a spec: --metric=fpga_ms."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from nadv2_tf.options.search import FPGA
from nadv2_tf.pipeline.aim.counted import scaled_by
from nadv2_tf.pipeline.aim.device import check_timing
from nadv2_tf.pipeline.aim.ranges import costs_by
from nadv2_tf.resources.fpga import load
from nadv2_tf.resources.fpga_pipeline import FpgaMeter

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.aim.rounds import Attempt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import Problem, ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace


@dataclasses.dataclass(frozen=True)
class OnFpga:
  """Milliseconds from image to image on an FPGA are the `Metric`; see `FpgaMeter`.

  Nothing is measured on one. What the networks take on --device is told at the end all the same.

  Attributes:
    device: the name of a known FPGA, or its file.
    options: `SearchOptions`, for the timing at the end.
    has_device: whether there is a device for it.
  """

  device: str
  options: SearchOptions
  has_device: bool
  name = FPGA
  unit = FpgaMeter.unit
  is_timed = False
  count = None

  @functools.cached_property
  def _meter(self) -> FpgaMeter:
    return FpgaMeter(load(self.device))

  def check(self) -> None:
    load(self.device)
    check_timing(self.options, self.has_device)

  def costs(self, space: SearchSpace, folder: RunFolder) -> dict[str, float]:
    """See `Metric`; raises ValueError for a space whose largest network does not fit."""
    return costs_by(self._meter, space)

  def prepare(self, space: SearchSpace, folder: RunFolder, progress: Progress) -> bool:
    return False

  def meter(self, space: SearchSpace, folder: RunFolder) -> ResourceMeter:
    return self._meter

  def confirmation(self, folder: RunFolder, problem: Problem, progress: Progress) -> None:
    return None

  def measured(self, attempt: Attempt) -> None:
    return None  # a pipeline that was computed is a prediction

  def figures(self, spec: NetworkSpec, problem: Problem) -> dict[str, float]:
    return {"resource": problem.meter.measure(spec)}

  def equally_fast(self, problem: Problem, found: NetworkSpec) -> tuple[NetworkSpec, str]:
    return scaled_by(problem, found), ""
