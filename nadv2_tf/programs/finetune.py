"""nadv2-finetune: cut the found network, or that of each target, out and train it on."""

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import (
  CheckpointOptions,
  FinetuneOptions,
  RunOptions,
  TrainOptions,
  TrustOptions,
)
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
  for group in (FinetuneOptions, TrustOptions, CheckpointOptions):
    define(group)
  define_output()
  define(TrainOptions, "strategy")


def main() -> None:
  start_tensorflow("nadv2-finetune", threads.of_folder(FLAGS.output))
  from nadv2_tf.pipeline import run
  from nadv2_tf.pipeline.progress import Progress

  options = RunOptions(
    finetune=read(FinetuneOptions), trust=read(TrustOptions), checkpoint=read(CheckpointOptions)
  )
  run.finetune(FLAGS.output, options, FLAGS.strategy, Progress())


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
