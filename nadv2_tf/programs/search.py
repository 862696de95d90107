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
  from nadv2_tf.pipeline import run
  from nadv2_tf.pipeline.progress import Progress

  run.search(FLAGS.output, read(SearchOptions), FLAGS.strategy, Progress())


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
