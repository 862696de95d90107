"""The group of flags that says how a training is kept against a kill."""

from absl import flags


def define_checkpoints():
  flags.DEFINE_float(
    "checkpoint_every",
    60,
    "Seconds from one checkpoint of a training to the next: what a kill costs at most. 0 is after "
    "every step.",
    lower_bound=0,
  )
  flags.DEFINE_integer(
    "keep_checkpoints",
    2,
    "Checkpoints that are kept of a training until its result is written; where the newest is "
    "damaged, the one before is used.",
    lower_bound=1,
  )
