"""Flags from the option groups of `nadv2_tf.options`, and the groups from the flags."""

from collections.abc import Callable
from typing import Any, TypeVar

from absl import flags

from nadv2_tf import backbones
from nadv2_tf.option import Described, Option, options_of
from nadv2_tf.options import NetworkOptions, SearchOptions, TaskSettings
from nadv2_tf.options.search import optimizer_options
from nadv2_tf.spec import SearchSpace

FLAGS = flags.FLAGS
Group = TypeVar("Group")


def define(group: type, *names: str) -> None:
  """Defines a flag for each option of a group, or for those of `names` alone.

  What belongs to it comes along: the options of tasks to `NetworkOptions`, those of the optimizers
  to `SearchOptions`.
  """
  for name, described in options_of(group).items():
    if not names or name in names:
      _define(name, described, described.default, described.option.help)
  if group is NetworkOptions and not names:
    define(TaskSettings)
  if group is SearchOptions and not names:
    for name, (described, defaults) in optimizer_options().items():
      _define(name, described, None, _help_of_optimizers(described, defaults))


def read(group: type[Group]) -> Group:
  """The options of a group, from the flags of the same names.

  Raises:
    ValueError: for options that do not go together.
  """
  given: dict[str, Any] = {name: FLAGS[name].value for name in options_of(group) if name in FLAGS}
  if group is NetworkOptions:
    given["task_settings"] = read(TaskSettings).given()
  if group is SearchOptions:
    values = {name: FLAGS[name].value for name in optimizer_options()}
    given["optimizer_settings"] = {
      name: value for name, value in values.items() if value is not None
    }
  return group(**given)


def _help_of_optimizers(described: Described, defaults: dict[str, Any]) -> str:
  """`defaults` is {optimizer: its default}."""
  values = ", ".join(dict.fromkeys(str(value) for value in defaults.values()))
  text = described.option.help
  told = "" if "default" in text else f" Default: {values}."
  return f"Of {' and '.join(defaults)}: {text[0].lower()}{text[1:]}{told}"


def _define(name: str, described: Described, default: Any, text: str) -> None:
  option = described.option
  if option.prefix:
    flags.DEFINE_string(name, default, f"<{'|'.join(option.names())}|{option.prefix}NAME>: {text}")
    flags.register_validator(name, _validated(lambda value: _check_choice(option, value)))
  elif option.names():
    flags.DEFINE_enum(name, default, list(option.names()), text)
  elif described.kind is bool:
    flags.DEFINE_boolean(name, default, text)
  elif described.kind is int:
    flags.DEFINE_integer(name, default, text, option.low, option.high)
  elif described.kind is float:
    flags.DEFINE_float(name, default, text, option.low, option.high)
  else:
    flags.DEFINE_string(name, default, text)
  if option.check:
    flags.register_validator(name, _validated(option.check))


def _check_choice(option: Option, value: Any) -> None:
  """Raises ValueError in the words of absl's own enumerations."""
  if not option.is_choice(value):
    raise ValueError(f"value should be one of <{'|'.join(option.names())}> or {option.prefix}NAME")


def _validated(check: Callable[[Any], None]) -> Callable[[Any], bool]:
  """`check`, which raises ValueError, as absl wants it; a flag without a value passes."""

  def validator(value: Any) -> bool:
    try:
      if value is not None:
        check(value)
    except ValueError as error:
      raise flags.ValidationError(str(error)) from None
    return True

  return validator


def define_output() -> None:
  flags.DEFINE_string(
    "output", None, "Folder of the run; all files of all stages are in it.", required=True
  )


def define_preset() -> None:
  flags.DEFINE_string(
    "preset",
    None,
    "Flags that belong together: cifar10, demo, depth_pairs, imagenet_latency, imagenet_mac, "
    "nyu_depth, or paper, which searches as NetAdaptV2 does. Flags after it overrule it.",
  )


def read_space(classes: int | None = None, channels: int | None = None) -> SearchSpace:
  """The `SearchSpace` of --backbone at --image_size, for as many classes and image channels."""
  height, width, own_channels = backbones.search_space(FLAGS.backbone).network.input_shape
  if FLAGS.image_size:
    height = width = FLAGS.image_size
  return backbones.search_space(FLAGS.backbone, (height, width, channels or own_channels), classes)
