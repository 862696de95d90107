"""Flags of what a run will take, before it is made."""

from absl import flags

FLAGS = flags.FLAGS


def define_plan() -> None:
  flags.DEFINE_bool(
    "plan",
    False,
    "Print how long each stage will take on this machine, how much memory and disk, and end: after "
    "about a minute of probing with the run's own settings. Nothing is trained or kept.",
  )
  flags.DEFINE_string(
    "plan_as",
    None,
    "With --plan: on paper for other hardware, such as '8 x 300 images/s': so many accelerators, "
    "and how fast each trains the super-network. Nothing is probed, no data is loaded.",
  )
  flags.DEFINE_integer(
    "plan_images",
    None,
    "With --plan_as: training images of --data, the hold-out among them; known for "
    "tfds:imagenet2012, tfds:cifar10 and demo.",
    lower_bound=2,
  )


def check_plan() -> None:
  """Raises ValueError for flags of a plan that is not asked for."""
  for name in ("plan_as", "plan_images"):
    if FLAGS[name].value is not None and not FLAGS.plan:
      raise ValueError(f"--{name} needs --plan.")
