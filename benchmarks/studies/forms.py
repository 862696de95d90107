"""What filters in place of bypasses and of padded sums are worth (`spec/forms.py`).

  python -m nadv2_tf.benchmarks.studies.forms --backbone=mobilenet_v3_demo --table=demo_host.csv

The table is nadv2-latency-table's, of this machine; with other images than the backbone's own it
says of which. Printed are, for each kind of layer, how many first steps down from the full network
raise its latency, without and with such forms, by the table; and of random sub-networks how much
less time they take, by the table and as measured in turns in both forms.
"""

from __future__ import annotations

import datetime
import random
import statistics
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf import backbones
from nadv2_tf.benchmarks.timing.devices.host import processor_name
from nadv2_tf.resources.latency_table import LatencyTable

if TYPE_CHECKING:
  from collections.abc import Iterator, Sequence

  from nadv2_tf.spec import NetworkSpec, SearchSpace

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_string("backbone", "mobilenet_v3_demo", "Its search space is looked at.")
  flags.DEFINE_string("table", None, "A latency table of it.", required=True)
  flags.DEFINE_integer("classes", None, "Outputs of the classifier; default: the backbone's own.")
  flags.DEFINE_integer("networks", 200, "Random sub-networks by the table.", lower_bound=2)
  flags.DEFINE_integer("timed", 20, "Random sub-networks that are timed.", lower_bound=0)


def main(arguments: list[str]) -> None:
  del arguments
  table = LatencyTable.from_csv(FLAGS.table)
  height, width, channels = map(int, str(table.facts["input_shape"]).split("x"))
  space = backbones.search_space(FLAGS.backbone, (height, width, channels), FLAGS.classes)
  print(f"$ python -m nadv2_tf.benchmarks.studies.forms --backbone={FLAGS.backbone}")
  print(f"{datetime.date.today()}, {processor_name()}; images {table.facts['input_shape']}")
  for line in step_lines(space, table):
    print(line)
  rng = random.Random(0)
  gains = [_gain(table, space.sample(rng)) for _ in range(FLAGS.networks)]
  print(f"{FLAGS.networks} random sub-networks, by the table: {_range(gains)} less time")
  if FLAGS.timed:
    specs = [space.sample(rng) for _ in range(FLAGS.timed)]
    predicted = [_gain(table, spec) for spec in specs]
    print(f"{FLAGS.timed} others, by the table: {_range(predicted)}")
    print(f"  as measured in turns: {_range(_measured(table, specs))}")


def step_lines(space: SearchSpace, table: LatencyTable) -> Iterator[str]:
  """First steps that raise the latency of the full network, for each kind of layer."""
  plain, full = table.as_it_is(), space.largest()
  for field in dict.fromkeys(one.field for one in space.decisions if one.kind == "width"):
    steps = [
      space.shrink(full, column)
      for column, decision in enumerate(space.decisions)
      if decision.field == field
    ]
    raised = [
      sum(meter.measure(spec) > meter.measure(full) for spec in steps if spec is not None)
      for meter in (plain, table)
    ]
    yield (
      f"{field:12s} first steps that raise the latency: {raised[0]} of {len(steps)} as they are, "
      f"{raised[1]} in their fastest form"
    )


def _gain(table: LatencyTable, spec: NetworkSpec) -> float:
  return 1 - table.measure(spec) / table.as_it_is().measure(spec)


def _measured(table: LatencyTable, specs: Sequence[NetworkSpec]) -> list[float]:
  from nadv2_tf.benchmarks.tables.meter import DeviceMeter
  from nadv2_tf.benchmarks.timing.devices import open_device
  from nadv2_tf.options import TimingSettings

  both = [form for spec in specs for form in (spec, table.fastest_form(spec))]
  with open_device("host") as device:
    settings = TimingSettings(seconds=0.1, repeats=5)
    milliseconds = DeviceMeter(device, settings).measure_all(both)
  return [
    1 - quick / plain for plain, quick in zip(milliseconds[::2], milliseconds[1::2], strict=True)
  ]


def _range(shares: Sequence[float]) -> str:
  return f"{statistics.mean(shares):.1%} on average ({min(shares):.1%} to {max(shares):.1%})"


if __name__ == "__main__":
  define_flags()
  app.run(main)
