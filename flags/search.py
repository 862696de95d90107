"""The group of flags that says what is searched for, and how."""

from absl import flags
from nadv2_tf.flags.groups import define_device

from nadv2_tf.resources import COUNTS

METRICS = ("latency_ms", *COUNTS)


def define_search():
  flags.DEFINE_string(
    "metric",
    "latency_ms",
    f"The resource that is limited: {', '.join(METRICS)}; or package.module:Class, a meter of your "
    "own in a module that can be imported.",
  )
  flags.register_validator("metric", _validated(_check_metric))
  flags.DEFINE_string(
    "target",
    "50%",
    "Largest resource of the found network: a number (milliseconds, MACs, parameters, bytes; 225e6 "
    "and 225M are the same), or a share of the largest network's, such as 50%. Several, such as "
    "30,20,10, find a network for each.",
  )
  flags.DEFINE_string(
    "limit",
    "",
    "What the found network must meet besides, such as 'parameters<=2e6,size_bytes<=1e6' (quoted, "
    f"for the shell): each of {', '.join(COUNTS)}, or package.module:Class as of --metric, at most "
    "once, with a number or a share of the largest network's.",
  )
  define_device("; table:FILE (a latency table, no device needed)")
  flags.DEFINE_integer(
    "confirm_every",
    5,
    "The best sample of every n-th iteration, and the found network, are also measured on the "
    "device itself.",
    lower_bound=1,
  )
  flags.DEFINE_integer(
    "tighten",
    2,
    "How often the search goes on, for less, if the found network is above the target as measured "
    "on the device.",
    lower_bound=0,
  )
  define_precision()
  _define_optimizer()
  _define_race()


def define_precision():
  flags.DEFINE_enum(
    "search_precision",
    "float32",
    ["float32", "int8"],
    "How the files are stored that are timed while searching for latency: int8 where the network "
    "will be exported with --quantization=int8 or int8_qat.",
  )


def _define_optimizer():
  flags.DEFINE_string(
    "search_optimizer",
    "mcd",
    "What searches: mcd (multi-layer coordinate descent), scd (single-layer), random, evolution, "
    "uniform (all widths times one factor, for comparison).",
  )
  flags.register_validator("search_optimizer", _validated(_check_optimizer))
  flags.DEFINE_integer(
    "samples_per_iteration", 24, "J of mcd: samples scored in each iteration.", lower_bound=1
  )
  flags.DEFINE_integer(
    "layers_per_sample", 10, "L of mcd: layers that each sample shrinks.", lower_bound=1
  )
  flags.DEFINE_float(
    "initial_reduction",
    0.05,
    "Of mcd and scd: share of the resource that the first iteration takes off.",
  )
  flags.DEFINE_float(
    "reduction_decay",
    0.98,
    "Of mcd and scd: factor on the reduction from one iteration to the next.",
  )
  flags.DEFINE_integer(
    "samples",
    None,
    "Of random: networks scored for each target; default: in all as many as mcd would.",
    lower_bound=1,
  )
  flags.DEFINE_integer(
    "generations", None, "Of evolution, of 50 networks each; default: 20.", lower_bound=1
  )


def _define_race():
  flags.DEFINE_boolean(
    "race",
    True,
    "Score all samples of an iteration on a quarter of the hold-out, the best quarter of them on "
    "half of it more, and the best three on the rest, which had no part in choosing them; without, "
    "and with a hold-out of less than 400 images, every sample is scored on all images.",
  )


def _check_metric(name):
  if name not in METRICS and ":" not in name:
    raise ValueError(f"must be one of {', '.join(METRICS)}, or package.module:Class, got {name!r}.")


def _check_optimizer(name):
  # --help, which checks no value, would wait for all optimizers and their dataclasses.
  from nadv2_tf.pipeline import optimizers

  optimizers.check_name(name)


def _validated(check):
  """`check`, which raises ValueError, as absl wants it."""

  def validator(value):
    try:
      check(value)
    except ValueError as error:
      raise flags.ValidationError(str(error)) from None
    return True

  return validator
