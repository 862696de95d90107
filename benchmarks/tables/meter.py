"""Whole networks timed on a device, as a resource meter."""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING

from nadv2_tf import stopwatch
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.options import built_as

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.benchmarks.timing.records import Timing
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.spec import NetworkSpec


class DeviceMeter:
  """A meter that builds a file for each network and times it: seconds each.

  Latency does not depend on the weights, so fresh ones do. A search that asks for hundreds of
  networks wants a latency table; this meter is for its end points.

  Args:
    device: a `Device`.
    settings: `TimingSettings`.
    form: what a network is timed as, `LatencyTable.fastest_form` where there is a table; None: as
      it is.
  """

  unit = "ms"
  is_exact = False

  def __init__(
    self,
    device: Device,
    settings: TimingSettings,
    form: Callable[[NetworkSpec], NetworkSpec] | None = None,
  ) -> None:
    self._device = device
    self._settings = settings
    self._form = form or (lambda spec: spec)

  def measure(self, spec: NetworkSpec) -> float:
    return self.measure_all([spec])[0]

  def measure_all(self, specs: Sequence[NetworkSpec]) -> list[float]:
    """Milliseconds of each network, all timed in turns."""
    return [timing.latency_ms for timing in self.time_all(specs)]

  def time_all(self, specs: Sequence[NetworkSpec]) -> list[Timing]:
    """The `Timing` of each network, all timed in turns."""
    with tempfile.TemporaryDirectory() as folder:
      paths = [pathlib.Path(folder) / f"{index}.tflite" for index in range(len(specs))]
      with stopwatch.part("files"):
        for path, spec in zip(paths, specs, strict=True):
          path.write_bytes(network_file(self._form(spec), **built_as(self._settings)))
      return self._device.time_files(paths, self._settings)
