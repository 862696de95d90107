"""nadv2-search: search with a trained super-network."""

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import SearchOptions, TrainOptions
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
  define(SearchOptions)
  define_output()
  define(TrainOptions, "strategy")


def main() -> None:
  start_tensorflow(threads=threads.of_folder(FLAGS.output))
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.report import overview, tables
  from nadv2_tf.pipeline.stages import search as search_stage
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.pipeline.stages import workbench, workers
  from nadv2_tf.training.strategies import wait_for_all

  options = read(SearchOptions)
  bench = workbench.reopen_workbench(FLAGS.output, strategy=FLAGS.strategy)
  progress = workers.own_progress(bench.strategy, Progress())
  search_stage.check_workers(bench.strategy, options)
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  bench.folder.check(search=options)
  with bench.folder.locked():
    problem = search_stage.make_problem(options, bench.space, bench.folder, progress)
    bench.folder.open(search=options)
    super_model = super_stage.train_super_network(bench, progress)
    landings = search_stage.search(bench, super_model, problem, options, progress)
  for line in tables.metric_lines(overview(bench.folder)):
    progress.line(line)
  for landing in landings:
    progress.line(f"the found network is in {landing.folder.spec('found')}")
  wait_for_all(bench.strategy)


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
