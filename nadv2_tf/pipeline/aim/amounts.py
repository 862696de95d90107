"""The targets of a search as their user writes them: 30, 225e6, 225M, 50%, or several."""

from nadv2_tf.options.amounts import number_of


def parse_target(text: str, largest: float) -> float:
  """The target as a number.

  Args:
    text: "30", "225e6", "225M", or a share of the largest network's resource, "50%".
    largest: that resource.

  Raises:
    ValueError: if it is none of these.
  """
  return number_of("--target", ", such as 30, 225e6 or 225M, or a share such as 50%", text, largest)


def parse_targets(text: str, largest: float) -> list[tuple[float, str]]:
  """All targets of --target, the largest first.

  Args:
    text: one or several targets, as `parse_target` takes them, with commas between.
    largest: the largest network's resource.

  Returns:
    A list of pairs (target, its text).

  Raises:
    ValueError: if one is no target, or two are the same.
  """
  targets: dict[float, str] = {}
  for part in text.split(","):
    value = parse_target(part, largest)
    if value in targets:
      raise ValueError(
        f"--target must name each target once; {part.strip()!r} is {targets[value]!r} again."
      )
    targets[value] = part.strip()
  return sorted(targets.items(), reverse=True)
