"""Further limits of a search, beside its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.options.amounts import number_of
from nadv2_tf.options.timing import device_names
from nadv2_tf.pipeline.aim.counted import measured_range, meter_of
from nadv2_tf.resources import COUNTS

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import SearchSpace


def has_limits(options: SearchOptions) -> bool:
  """Whether a search has limits beside its target: those of --limit, or of further devices."""
  return bool(options.limit) or len(device_names(options.device)) > 1


def parse_limits(
  text: str, space: SearchSpace, folder: RunFolder | None = None
) -> tuple[tuple[ResourceMeter, float], ...]:
  """Further limits beside the target, as `Problem` takes them.

  Args:
    text: such as "parameters<=2e6, energy.meters:Wattmeter<=50%": registered counts or meters of
      the user's own, each with a number or with a share of the largest network's; "" is no limit.
    space: the `SearchSpace`.
    folder: the `RunFolder` that keeps what a meter that is not exact says of the largest network;
      None keeps nothing.

  Returns:
    A tuple of pairs (meter, largest value).

  Raises:
    ValueError: if it is something else.
  """
  limits: dict[str, tuple[ResourceMeter, float]] = {}
  for part in text.split(",") if text.strip() else ():
    name, sign, value = (piece.strip() for piece in part.partition("<="))
    if not sign or not (name in COUNTS or ":" in name) or name in limits:
      raise ValueError(
        f"--limit must be such as parameters<=2e6, each of {', '.join(COUNTS)} or "
        f"package.module:Class at most once and commas between them; got {part.strip()!r}."
      )
    meter = meter_of(name, space)
    largest = measured_range(name, meter, space, folder, f"range of {name}")["largest"]
    hint = f" after {name}<=, such as 2e6 or 2M, or a share such as 50%"
    limits[name] = (meter, number_of("--limit", hint, value, largest))
  return tuple(limits.values())
