"""Flags of timing: on what, and how one file is timed."""

import dataclasses

from absl import flags

FLAGS = flags.FLAGS


def define_device(more=""):
  flags.DEFINE_string(
    "device",
    "host",
    "Where latency is measured: host (this machine), adb or adb:SERIAL (a phone over the Android "
    f"Debug Bridge){more}.",
  )
  flags.DEFINE_string(
    "benchmark_binary",
    None,
    "TFLite's benchmark_model for the device; default: LiteRT's interpreter on this machine, the "
    "official build for a phone.",
  )
  flags.DEFINE_string(
    "benchmark_url",
    None,
    "Where a phone's benchmark_model is fetched from, once; default: the official build for its "
    "ABI.",
  )
  flags.DEFINE_integer("num_threads", 1, "Threads of the timed interpreter.", lower_bound=1)
  flags.DEFINE_string(
    "cpu_mask", None, "Hexadecimal mask of the processors to time on, such as f0; default: all."
  )
  flags.DEFINE_enum(
    "delegate", "xnnpack", ["xnnpack", "none", "gpu", "nnapi"], "What runs the timed networks."
  )


def define_timing():
  """How one file is timed; with `define_device`, all of `TimingSettings`."""
  flags.DEFINE_integer("runs", 50, "Counted runs of one repeat, at least.", lower_bound=1)
  flags.DEFINE_integer(
    "warmup_runs", 10, "Runs before each repeat that do not count, at least.", lower_bound=0
  )
  flags.DEFINE_float("seconds", 0.2, "Least time of a repeat's counted runs.", lower_bound=0)
  flags.DEFINE_float("warmup_seconds", 0.1, "Least time of the runs before.", lower_bound=0)
  flags.DEFINE_integer("repeats", 3, "Repeats; the median over them is reported.", lower_bound=1)
  flags.DEFINE_float(
    "max_spread",
    0.1,
    "Repeats that lie further apart, as a share of their median, are taken again.",
    lower_bound=0,
  )
  flags.DEFINE_integer("attempts", 3, "How often they are taken at most.", lower_bound=1)
  flags.DEFINE_enum(
    "on_unsteady", "mark", ["mark", "fail"], "What becomes of a timing that stays unsteady."
  )
  flags.DEFINE_float("cooldown", 0, "Seconds of rest before each repeat on a phone.", lower_bound=0)
  flags.DEFINE_float(
    "hot_wait", 300, "Seconds to wait at most for a hot phone to cool down.", lower_bound=0
  )
  flags.DEFINE_float("timeout", 120, "Seconds after which a repeat is ended.", lower_bound=1)


def read_timing():
  """The `TimingSettings` of `define_device` and `define_timing`."""
  from nadv2_tf.benchmarks.timing import TimingSettings

  # A file that is there is of a precision already.
  given = [field.name for field in dataclasses.fields(TimingSettings) if field.name in FLAGS]
  return TimingSettings(**{name: getattr(FLAGS, name) for name in given})
