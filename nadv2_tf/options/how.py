"""Which options say how a run goes and not what it gives, and which of two runs differ."""

from typing import Any

from nadv2_tf.option import options_of
from nadv2_tf.options.network import NetworkOptions
from nadv2_tf.options.search import SearchOptions
from nadv2_tf.options.training import TrainOptions


def is_how(name: str) -> bool:
  """Whether a run may go on with another value of the option `name`."""
  groups = (NetworkOptions, TrainOptions, SearchOptions)
  return any(
    name in options_of(group) and options_of(group)[name].option.is_how for group in groups
  )


def flag_that_differs(option: str, before: Any, value: Any) -> tuple[str, Any, Any]:
  """(flag, its values): of options that are several flags, the first one that differs."""
  if not isinstance(before, dict) or not isinstance(value, dict):
    return option, before, value
  flag = next(name for name in before | value if before.get(name) != value.get(name))
  return flag, before.get(flag), value.get(flag)
