"""Flags that only one task takes. They have no value unless they are given."""

from absl import flags

FLAGS = flags.FLAGS
NAMES = ("depth_scale", "depth_offset", "depth_invalid", "depth_test")


def define_task():
  flags.DEFINE_float(
    "depth_scale",
    None,
    "Of depth maps: metres = value * depth_scale + depth_offset; default: 0.001 for maps of 16 "
    "bits, 1 for floating point.",
  )
  flags.DEFINE_float("depth_offset", None, "Of depth maps, in metres; default: 0.")
  flags.DEFINE_integer(
    "depth_invalid",
    None,
    'Value of depth maps that says "no depth", -1 if none does; default: 0.',
    lower_bound=-1,
  )
  flags.DEFINE_integer(
    "depth_test",
    None,
    "Of folder:DIR with DIR/rgb and DIR/depth: how many pairs, the last by name, are the test set; "
    "default: a tenth.",
    lower_bound=1,
  )


def read_task():
  """{flag: value} of those that were given."""
  return {name: FLAGS[name].value for name in NAMES if FLAGS[name].value is not None}
