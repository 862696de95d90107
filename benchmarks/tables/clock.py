"""Whether a device's clock is fine enough for the layers of a latency table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import DeviceError

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.device import Device

#: of all layers some take thousandths of a millisecond, and the file that does nothing takes less
FINEST_MS = 0.001


def check_clock(device: Device) -> None:
  """Raises DeviceError if what times files on a device rounds away what a layer takes."""
  if device.rounding_ms > FINEST_MS:
    raise DeviceError(
      f"{device.identity.runtime} rounds to {device.rounding_ms:g} ms, which is more than most "
      "layers take: no latency table can be measured with it. Leave --host_runner out, or give a "
      "benchmark_model with --benchmark_binary=FILE."
    )
