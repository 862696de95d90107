"""Turns --metric, --device, --target and --limit into meters and numbers."""

import math
import pathlib
import re

from nadv2_tf.benchmarks.devices import open_device
from nadv2_tf.benchmarks.timing import TimingSettings
from nadv2_tf.resources import COUNTS
from nadv2_tf.resources.block_table import BlockTable
from nadv2_tf.resources.custom import load_meter
from nadv2_tf.resources.latency_table import LatencyTable

SUFFIXES = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
TABLE_DEVICE = "table:"
LATENCY = "latency_ms"
#: networks that a run's own table is checked with; nadv2-latency-table takes more
CHECK_NETWORKS = 10
#: a table that is further off is told; of those measured on a quiet machine none was off by 0.05
MOST_TABLE_ERROR = 0.15


def parse_target(text, largest):
  """The target as a number.

  Args:
    text: "30", "225e6", "225M", or a share of the largest network's resource, "50%".
    largest: that resource.

  Raises:
    ValueError: if it is none of these.
  """
  return _number("--target", ", such as 30, 225e6 or 225M, or a share such as 50%", text, largest)


def parse_targets(text, largest):
  """All targets of --target, the largest first.

  Args:
    text: one or several targets, as `parse_target` takes them, with commas between.
    largest: the largest network's resource.

  Returns:
    A list of pairs (target, its text).

  Raises:
    ValueError: if one is no target, or two are the same.
  """
  targets = {}
  for part in text.split(","):
    value = parse_target(part, largest)
    if value in targets:
      raise ValueError(
        f"--target must name each target once; {part.strip()!r} is {targets[value]!r} again."
      )
    targets[value] = part.strip()
  return sorted(targets.items(), reverse=True)


def parse_limits(text, space, folder=None):
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
  limits = {}
  for part in text.split(",") if text.strip() else ():
    name, sign, value = (piece.strip() for piece in part.partition("<="))
    if not sign or not (name in COUNTS or ":" in name) or name in limits:
      raise ValueError(
        f"--limit must be such as parameters<=2e6, each of {', '.join(COUNTS)} or "
        f"package.module:Class at most once and commas between them; got {part.strip()!r}."
      )
    meter = _counted_or_own(name, space)
    largest = _own_range(name, space, folder, meter)["largest"]
    hint = f" after {name}<=, such as 2e6 or 2M, or a share such as 50%"
    limits[name] = (meter, _number("--limit", hint, value, largest))
  return tuple(limits.values())


def _number(flag, hint, text, largest):
  """`text` as a number above 0: 30, 225e6, 225M, or a share of `largest` in per cent."""
  match = re.fullmatch(r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)\s*([kKMG%]?)", text.strip())
  if not match or not 0 < float(match[1]) < math.inf:
    raise ValueError(f"{flag} must be a number above 0{hint}; got {text!r}.")
  value = float(match[1])
  return largest * value / 100 if match[2] == "%" else value * SUFFIXES[match[2]]


def is_timed(options):
  """Whether the metric is latency on a device, and not a count or a table's word for it."""
  return options.metric == LATENCY and not options.device.startswith(TABLE_DEVICE)


def device_of(options):
  """The `Device` of a run; raises ValueError if --device is none."""
  return open_device(options.device, options.benchmark_binary, options.benchmark_url)


def check_timing(options):
  """Raises ValueError or TimingError for flags that no timing of the run could use.

  The networks are timed at the end of a run of any metric: what is wrong then is wrong now.
  """
  timing_settings(options)
  if not options.device.startswith(TABLE_DEVICE):
    device_of(options)
  elif options.metric == LATENCY:
    read_table(options)


def timing_settings(options, **changes):
  return TimingSettings(
    options.num_threads,
    options.cpu_mask,
    delegate=options.delegate,
    precision=options.search_precision,
    **changes,
  )


def read_table(options):
  """The meter of --device=table:FILE: our own tables are .csv, published ones by block .json.

  Raises:
    ValueError: if the file is missing or no table.
  """
  path = pathlib.Path(options.device.removeprefix(TABLE_DEVICE))
  if not path.is_file():
    raise ValueError(f"--device={options.device}: there is no file {path}.")
  return BlockTable.from_json(path) if path.suffix == ".json" else LatencyTable.from_csv(path)


def middle(space):
  """The network with the middle choice of every decision."""
  return space.decode([d.choices[len(d.choices) // 2] for d in space.decisions])


def ready_meter(options, space):
  """The meter of a run that needs no table of its own, else None.

  Raises:
    ValueError: if --metric names no meter, or --device no table.
  """
  if options.metric != LATENCY:
    return _counted_or_own(options.metric, space)
  return None if is_timed(options) else read_table(options)


def _counted_or_own(name, space):
  """The meter of a registered count, or of the user's own class."""
  if name in COUNTS:
    return COUNTS[name]()
  meter = load_meter(name)
  return meter if meter.is_exact else _Once(meter, space)


class _Once:
  """A meter that is not exact, asked once for each network; `known` is {widths: value}."""

  is_exact = False

  def __init__(self, meter, space):
    self._meter = meter
    self._encode = space.encode
    self.unit = meter.unit
    self.known = {}

  def measure(self, spec):
    key = self._encode(spec)
    if key not in self.known:
      self.known[key] = self._meter.measure(spec)
    return self.known[key]


def range_of(space):
  """The networks that tell what a space costs, by name."""
  return {"smallest": space.smallest(), "middle": middle(space), "largest": space.largest()}


def resource_range(options, space, folder, meter):
  """What the smallest, middle and largest network cost: {name: resource}.

  Latency is measured on the device itself, once for a folder, and not taken from a table of
  layers: it comes before the table, and before any training. So is what a meter of the user's own
  measures.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    folder: the `RunFolder`.
    meter: of `ready_meter`.
  """
  if meter is None:
    return _timed_range(options, space, folder, range_of(space))
  return _own_range(options.metric, space, folder, meter, "range")


def _own_range(metric, space, folder, meter, place=None):
  """What a meter says of the space; asked once for a folder if it is not exact.

  Args:
    metric, space, folder, meter: `metric` is the meter's name.
    place: where metrics.json has it; the default is that of a limit.
  """
  specs = range_of(space)
  if meter.is_exact or folder is None:
    return {name: meter.measure(spec) for name, spec in specs.items()}
  place = place or f"range of {metric}"
  header = {"metric": metric, "space": space.network.name}
  header["input_shape"] = list(space.network.input_shape)
  values = _known_range(folder, header, place)
  if values is None:
    values = {name: meter.measure(spec) for name, spec in specs.items()}
    folder.update_metrics(**{place: {"measured_with": header, "values": values}})
  meter.known |= {space.encode(spec): values[name] for name, spec in specs.items()}
  return values


def _known_range(folder, header, place="range"):
  """The values that an earlier command of the same folder measured, or None."""
  known = folder.metrics().get(place, {})
  return known["values"] if known.get("measured_with") == header else None


def _timed_range(options, space, folder, specs):
  from nadv2_tf.benchmarks.latency_table import header_of
  from nadv2_tf.benchmarks.meter import DeviceMeter

  settings = timing_settings(options, seconds=0.1)
  with device_of(options) as device:
    header = header_of(space, device, settings)
    known = _known_range(folder, header)
    if known:
      return known
    measured = DeviceMeter(device, settings).measure_all(list(specs.values()))
  values = dict(zip(specs, measured, strict=True))
  folder.update_metrics(range={"measured_with": header, "values": values})
  return values


def describe_range(values, unit):
  """What the smallest, middle and largest network of the space cost, in words."""
  parts = [f"{name} network {value:.4g} {unit}" for name, value in values.items()]
  return ", ".join(parts).replace("middle network", "middle").replace("largest network", "largest")


def device_table(options, space, folder, progress):
  """The latency table of the run's device; measured first if the folder has none.

  Args:
    options: `SearchOptions`.
    space: the `SearchSpace`.
    folder: the `RunFolder`.
    progress: a `Progress`.
  """
  from nadv2_tf.benchmarks.latency_table import TableMeasurement, check_header, header_of
  from nadv2_tf.spec.files import write_atomically

  path, settings = folder.latency_table, timing_settings(options)
  with device_of(options) as device, progress.bar("latency table", 0, "files") as bar:
    if path.exists():  # before a partial file is begun, which would stand in the way
      check_header(path, header_of(space, device, settings))
    measurement = TableMeasurement(space, device, settings, path, report=bar.of_total)
    if not path.exists():
      table = measurement.measure(CHECK_NETWORKS)
      write_atomically(path, table.to_csv().encode())
    measurement.finish()
  table = LatencyTable.from_csv(path)
  doubt = table_doubt(table.facts)
  if doubt:
    progress.line(f"{doubt} It is in {path}; without that file it is measured again.")
  return table


def table_doubt(facts):
  """A sentence about a table that predicts whole networks badly, else ""; `facts` are its head."""
  error = float(facts.get("check_error_median", 0))
  if error <= MOST_TABLE_ERROR:
    return ""
  return (
    f"The latency table is off by {error:.0%} (median of {facts['check_networks']} whole "
    "networks): was the device busy?"
  )
