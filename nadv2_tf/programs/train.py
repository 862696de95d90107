"""nadv2-train: train the full network and the super-network."""

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import CheckpointOptions, NetworkOptions, RunOptions, TrainOptions
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
  for group in (NetworkOptions, TrainOptions, CheckpointOptions):
    define(group)
  define_output()


def main() -> None:
  backbone = None if FLAGS.network else FLAGS.backbone
  start_tensorflow(threads=threads.of_step(backbone, FLAGS.image_size, FLAGS.batch_size))
  from nadv2_tf.pipeline import run
  from nadv2_tf.pipeline.progress import Progress

  options = RunOptions(
    network=read(NetworkOptions), train=read(TrainOptions), checkpoint=read(CheckpointOptions)
  )
  run.train(FLAGS.output, options, Progress())


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
