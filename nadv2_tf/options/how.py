"""Which options say how a run goes and not what it gives."""

from nadv2_tf.option import options_of
from nadv2_tf.options.network import NetworkOptions
from nadv2_tf.options.training import TrainOptions


def is_how(name: str) -> bool:
  """Whether a run may go on with another value of the option `name`."""
  groups = (NetworkOptions, TrainOptions)
  return any(
    name in options_of(group) and options_of(group)[name].option.is_how for group in groups
  )
