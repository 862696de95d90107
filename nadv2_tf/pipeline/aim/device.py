"""The device of a run, and how it times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing.devices import open_device
from nadv2_tf.options import TimingSettings
from nadv2_tf.options.timing import device_names

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.options import SearchOptions

#: seconds of a repeat of a whole network, at least
NETWORK_SECONDS = 0.1
#: a network's runs before those that count, in least times that the device's clock wants
WARM = 5


def device_of(options: SearchOptions, number: int = 0) -> Device:
  """The `Device` of a run, the first or a further one; raises ValueError if --device is none."""
  return open_device(
    device_names(options.device)[number],
    options.benchmark_binary,
    options.benchmark_url,
    options.host_runner,
  )


def timing_settings(options: SearchOptions, **changes: Any) -> TimingSettings:
  """The `TimingSettings` of a run; raises ValueError if they are none.

  Args:
    options: `SearchOptions`.
    **changes: fields of `TimingSettings` that no option of a search sets.
  """
  return TimingSettings(
    options.num_threads,
    options.cpu_mask,
    delegate=options.delegate,
    require_full_delegation=options.require_full_delegation,
    benchmark_flags=options.benchmark_flags,
    npu_libraries=options.npu_libraries,
    precision=options.search_precision,
    **{"max_spread": options.max_spread, "attempts": options.attempts} | changes,
  )


def network_timing(options: SearchOptions, device: Device, **changes: Any) -> TimingSettings:
  """The `TimingSettings` of whole networks: each repeat takes a tenth of a second.

  Files wait for a device's clock to rise; where one process times all of them in turns it is up.

  Args:
    options: `SearchOptions`.
    device: that times them.
    **changes: further fields of `TimingSettings`.
  """
  warm = min(WARM * device.settling_seconds, NETWORK_SECONDS)
  return timing_settings(options, seconds=NETWORK_SECONDS, warmup_seconds=warm, **changes)


def check_timing(options: SearchOptions, has_device: bool) -> None:
  """Raises ValueError or TimingError for flags that no timing of the run could use.

  The networks are timed at the end of a run of any metric: what is wrong then is wrong now.

  Args:
    options: `SearchOptions`.
    has_device: whether --device names one.
  """
  timing_settings(options)
  if has_device:
    for number in range(len(device_names(options.device))):
      device_of(options, number)
