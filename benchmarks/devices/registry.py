"""`--device` as text, turned into a `Device`."""


def open_device(text, binary=None, url=None):
  """The `Device` that `text` names; use it as a context manager.

  Args:
    text: "host", "adb" (the only phone, or $ANDROID_SERIAL) or "adb:SERIAL".
    binary: a `benchmark_model` file. On this machine None means LiteRT's interpreter.
    url: where a phone's binary is fetched once if `binary` is None; None: the official build.

  Raises:
    ValueError: if `text` names no kind of device.
  """
  if text == "host":
    from nadv2_tf.benchmarks.devices.host import HostDevice

    return HostDevice(binary)
  kind, _, serial = text.partition(":")
  if kind == "adb" and (serial or text == "adb"):
    from nadv2_tf.benchmarks.devices.adb import AdbDevice

    return AdbDevice(serial or None, binary, url)
  raise ValueError(f"--device must be host, adb or adb:SERIAL, got {text!r}.")
