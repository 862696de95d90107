"""`--device` as text, turned into a `Device`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.types import AnyPath


def open_device(
  text: str,
  binary: AnyPath | None = None,
  url: str | None = None,
  host_runner: str = "interpreter",
) -> Device:
  """The `Device` that `text` names; use it as a context manager.

  Args:
    text: "host", "adb" (the only phone, or $ANDROID_SERIAL) or "adb:SERIAL".
    binary: a `benchmark_model` file. On this machine None means LiteRT's interpreter.
    url: where a phone's binary is fetched once if `binary` is None; None: the official build.
    host_runner: one of `HOST_RUNNERS`, for this machine without a `binary`.

  Raises:
    ValueError: if `text` names no kind of device, or several devices.
  """
  if text == "host":
    from nadv2_tf.benchmarks.timing.devices.host import HostDevice

    return HostDevice(binary, host_runner)
  if "," in text:
    raise ValueError(
      f"--device={text} names several devices, and this is measured on one: name one of them."
    )
  kind, _, serial = text.partition(":")
  if kind == "adb" and (serial or text == "adb"):
    from nadv2_tf.benchmarks.timing.devices.adb import AdbDevice

    return AdbDevice(serial or None, binary, url)
  raise ValueError(f"--device must be host, adb or adb:SERIAL, got {text!r}.")
