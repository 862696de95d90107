"""Flags of what a run will take, before it is made."""

from absl import flags


def define_plan():
  flags.DEFINE_bool(
    "plan",
    False,
    "Print how long each stage will take on this machine, how much memory and disk, and end: after "
    "about a minute of probing with the run's own settings. Nothing is trained or kept.",
  )
