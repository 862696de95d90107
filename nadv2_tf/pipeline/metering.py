"""Turns --metric, --device, --target and --limits into meters and numbers."""

import math
import re

from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.latency_table import LatencyTable

SUFFIXES = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


def parse_target(text, largest):
  """The target as a number.

  Args:
    text: "30", "225e6", "225M", or a share of the largest network's resource, "50%".
    largest: that resource.

  Raises:
    ValueError: if it is none of these.
  """
  return _number("--target", ", such as 30, 225e6 or 225M, or a share such as 50%", text, largest)


def parse_limits(text, space):
  """Further limits beside the target, as `Problem` takes them.

  Args:
    text: such as "parameters<=2e6, macs<=50%": registered counts, each with a number or with a
      share of the largest network's; "" is no limit.
    space: the `SearchSpace`.

  Returns:
    A tuple of pairs (meter, largest value).

  Raises:
    ValueError: if it is something else.
  """
  limits = {}
  for part in text.split(",") if text.strip() else ():
    name, sign, value = (piece.strip() for piece in part.partition("<="))
    if not sign or name not in COUNTS or name in limits:
      raise ValueError(
        f"--limits must be such as parameters<=2e6, each of {', '.join(COUNTS)} at most once and "
        f"commas between them; got {part.strip()!r}."
      )
    meter = COUNTS[name]()
    largest = meter.measure(space.largest())
    hint = f" after {name}<=, such as 2e6 or 2M, or a share such as 50%"
    limits[name] = (meter, _number("--limits", hint, value, largest))
  return tuple(limits.values())


def _number(flag, hint, text, largest):
  """`text` as a number above 0: 30, 225e6, 225M, or a share of `largest` in per cent."""
  match = re.fullmatch(r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([kKMG%]?)", text.strip())
  if not match or not 0 < float(match[1]) < math.inf:
    raise ValueError(f"{flag} must be a number above 0{hint}; got {text!r}.")
  value = float(match[1])
  return largest * value / 100 if match[2] == "%" else value * SUFFIXES[match[2]]


def make_meter(options, space, folder, progress):
  """The meter of a run; measures the latency table first if the folder has none.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    folder: the `RunFolder`.
    progress: a `Progress`.
  """
  if options.metric in COUNTS:
    return COUNTS[options.metric]()
  if not _has_table(folder, options):
    from nadv2_tf.benchmarks.latency_table import measure_table
    from nadv2_tf.export.tflite import write_atomically

    with progress.bar("latency table", 0, "layers") as bar:

      def report(done, total):
        bar.set_total(total)
        bar(done)

      table = measure_table(space, options.num_threads, report)
    write_atomically(folder.latency_table, table.to_csv().encode())
  return LatencyTable.from_csv(folder.latency_table)


def _has_table(folder, options):
  """Whether the folder has a latency table for as many threads as are asked for."""
  if not folder.latency_table.exists():
    return False
  facts = LatencyTable.from_csv(folder.latency_table).facts
  return facts.get("num_threads") == str(options.num_threads)


def largest_resource(meter, space):
  """The largest network's resource; of a latency table, as measured and not as predicted."""
  if isinstance(meter, LatencyTable) and "largest_ms" in meter.facts:
    return float(meter.facts["largest_ms"])
  return meter.measure(space.largest())


def describe_range(meter, space):
  """What the smallest and the largest network of the space cost."""
  smallest = meter.measure(space.smallest())
  largest = largest_resource(meter, space)
  return f"smallest network {smallest:.4g} {meter.unit}, largest {largest:.4g} {meter.unit}"
