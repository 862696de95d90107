"""nadv2-latency-table: measure a latency table for a search space on a device."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from nadv2_tf.flags.define import define, read, read_space
from nadv2_tf.options import NetworkOptions, SearchOptions
from nadv2_tf.options.network import is_given
from nadv2_tf.options.timing import DeviceOptions
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

if TYPE_CHECKING:
  from collections.abc import Mapping

  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec import SearchSpace

FLAGS = flags.FLAGS
#: options of a search that its timings depend on
TIMED_WITH = (
  "num_threads", "cpu_mask", "delegate", "require_full_delegation", "benchmark_flags",
  "npu_libraries",
)  # fmt: skip


def define_flags() -> None:
  define(NetworkOptions, "backbone", "network", "image_size", "input_range", "bypass", "seed")
  define(DeviceOptions)
  define(SearchOptions, *TIMED_WITH, "search_precision", "max_spread", "attempts", "on_unsteady")
  flags.DEFINE_integer(
    "classes", None, "Outputs of the classifier; default: the network's own.", lower_bound=2
  )
  flags.DEFINE_enum(
    "channels",
    None,
    ["1", "3"],
    "Channels of the images: 1 for grey, 3 for colour; default: the backbone's own.",
  )
  flags.DEFINE_integer(
    "check_networks",
    30,
    "Random whole networks that the table's error is measured on; 0: none.",
    lower_bound=0,
  )
  flags.DEFINE_string(
    "predictor",
    None,
    "A .json file: also train a latency predictor, for --device=predictor:FILE of a search, on "
    "networks summed from the table, corrected by some that are timed.",
  )
  flags.DEFINE_integer(
    "predictor_summed", 20000, "Networks that it learns the table's sums of.", lower_bound=100
  )
  flags.DEFINE_integer(
    "predictor_timed", 60, "Networks timed to correct it; 0: none.", lower_bound=0
  )
  flags.DEFINE_integer(
    "predictor_held_out",
    40,
    "Other networks that are timed, which its error is told of; 0: none.",
    lower_bound=0,
  )
  flags.DEFINE_string("output", None, "The table, a .csv file.", required=True)


def main() -> None:
  path = pathlib.Path(FLAGS.output)
  predictor_path = FLAGS.predictor and pathlib.Path(FLAGS.predictor)
  for file in filter(None, (path, predictor_path)):
    if not file.parent.is_dir():
      raise ValueError(f"There is no folder {file.parent}.")
  start_tensorflow("nadv2-latency-table")
  from nadv2_tf.benchmarks.tables.headers import check_header, header_of
  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.benchmarks.timing.devices import open_device
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.pipeline.aim.doubts import check_doubt
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.spec.files import write_atomically

  space = _space()
  settings = TimingSettings(
    **{name: FLAGS[name].value for name in TIMED_WITH},
    max_spread=FLAGS.max_spread,
    attempts=FLAGS.attempts,
    on_unsteady=FLAGS.on_unsteady,
    precision=FLAGS.search_precision,
  )
  progress = Progress()
  with open_device(
    FLAGS.device, FLAGS.benchmark_binary, FLAGS.benchmark_url, FLAGS.host_runner
  ) as device:
    progress.line(f"measuring {space.network.name} on {device.identity}")
    with progress.bar("latency table", 0, "files") as bar:
      if path.exists():  # before a partial file is begun, which would stand in the way
        check_header(path, header_of(space, device, settings))
        progress.line(f"{path} is complete already")
      measurement = TableMeasurement(space, device, settings, path, FLAGS.seed, bar.of_total)
      if not path.exists():
        table = measurement.measure(FLAGS.check_networks)
        write_atomically(path, table.to_csv().encode())
      measurement.finish()
    table = LatencyTable.from_csv(path)
    # One that was complete already may be of a command with --on_unsteady=mark.
    if doubt := check_doubt(table, FLAGS.on_unsteady, path):
      progress.line(doubt)
    progress.line(describe(path, table))
    if predictor_path:
      train_predictor(space, device, settings, path, predictor_path, progress)


def train_predictor(
  space: SearchSpace,
  device: Device,
  settings: TimingSettings,
  table: pathlib.Path,
  path: pathlib.Path,
  progress: Progress,
) -> None:
  """Trains a latency predictor on a measured table and writes it to `path`, if it is not there."""
  from nadv2_tf.benchmarks.tables import predictor as predictors
  from nadv2_tf.benchmarks.tables.headers import check_facts, header_of
  from nadv2_tf.benchmarks.tables.measurement import TableMeasurement
  from nadv2_tf.pipeline.aim.doubts import check_doubt
  from nadv2_tf.resources.latency_table import LatencyTable
  from nadv2_tf.resources.predictor import LatencyPredictor
  from nadv2_tf.spec.files import write_atomically

  if path.exists():
    check_facts(path, LatencyPredictor.from_json(path).facts, header_of(space, device, settings))
    progress.line(f"{path} is complete already")
  else:
    amounts = predictors.Amounts(
      FLAGS.predictor_summed, FLAGS.predictor_timed, FLAGS.predictor_held_out
    )
    with progress.bar("latency predictor", 0, "files") as bar:
      measurement = TableMeasurement(space, device, settings, path, FLAGS.seed, bar.of_total)
      trained = predictors.train_predictor(
        space, LatencyTable.from_csv(table), measurement, amounts, FLAGS.seed
      )
      write_atomically(path, trained.to_json().encode())
      measurement.finish()
  predictor = LatencyPredictor.from_json(path)
  if doubt := check_doubt(predictor, FLAGS.on_unsteady, path):
    progress.line(doubt)
  progress.line(f"{path}: {predictors.describe(predictor.facts)}")


def _space() -> SearchSpace:
  """The space of --backbone or --network, for as many classes."""
  options = read(NetworkOptions)
  if not is_given(options):
    return read_space(FLAGS.classes, int(FLAGS.channels) if FLAGS.channels else None)
  if FLAGS.channels:
    raise ValueError(
      f"--channels={FLAGS.channels}: the given network takes the images that it was made for."
    )
  from nadv2_tf.pipeline.stages.given.paper import on_paper

  return on_paper(options, FLAGS.classes).space()


def describe(path: pathlib.Path, table: LatencyTable) -> str:
  """What a table covers, and how well it predicts, in a few words."""
  facts = table.facts
  text = f"{path}: {len(table.rows)} rows{describe_placement(facts)}{describe_doubts(facts)}"
  if "check_networks" not in facts:
    return f"{text}; not checked on whole networks"
  text += (
    f"; on {facts['check_networks']} whole networks median error "
    f"{float(facts['check_error_median']):.1%}, p90 {float(facts['check_error_p90']):.1%}"
  )
  # One network has no order.
  spearman = facts.get("check_spearman")
  return f"{text}, Spearman {float(spearman):.3f}" if spearman else text


def describe_doubts(facts: Mapping[str, Any]) -> str:
  """Words on whole networks that something spoke against each time; "" if there are none."""
  if "networks_in_doubt" not in facts:
    return ""
  return (
    f"; of {facts['networks_timed']} whole networks {facts['networks_in_doubt']} were in doubt "
    "each time that they were timed"
  )


def describe_placement(facts: Mapping[str, Any]) -> str:
  """Words on a delegate that left nodes of the largest network to others; "" if it left none."""
  if facts.get("delegate_nodes") == facts.get("nodes"):
    return ""
  return (
    f"; {facts['delegate']} executes only {facts['delegate_nodes']} of {facts['nodes']} nodes of "
    f"the largest network, in {facts['partitions']} partitions"
  )


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
