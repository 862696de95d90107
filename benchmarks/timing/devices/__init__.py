"""What files are timed on: this machine, or a phone."""

from nadv2_tf.benchmarks.timing.devices.registry import open_device

__all__ = ["open_device"]
