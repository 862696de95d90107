"""nadv2-train: train the full network and the super-network."""

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import CheckpointOptions, NetworkOptions, TrainOptions
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
  for group in (NetworkOptions, TrainOptions, CheckpointOptions):
    define(group)
  define_output()


def main() -> None:
  start_tensorflow(threads=threads.of_step(FLAGS.backbone, FLAGS.image_size, FLAGS.batch_size))
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.run_folder.versions import versions
  from nadv2_tf.pipeline.stages import full as full_stage
  from nadv2_tf.pipeline.stages import recipes, workbench, workers
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.training.strategies import wait_for_all

  network = read(NetworkOptions)
  train = read(TrainOptions)
  checkpoints = read(CheckpointOptions)
  bench = workbench.make_workbench(RunFolder(FLAGS.output), network, train, checkpoints)
  recipes.check_recipes(bench)
  bench.folder.check(network=network, train=train)
  progress = workers.own_progress(bench.strategy, Progress())
  with bench.folder.locked():
    bench.folder.open(network=network, train=train)
    quality = bench.task.quality_name
    bench.folder.update_metrics(seed=bench.seed, versions=versions(), quality=quality)
    bench.tell(progress)
    full, model = full_stage.train_full(bench, progress)
    super_stage.train_super_network(bench, progress, full, model=model)
  progress.line(f"the super-network's weights are in {bench.folder.super_weights}")
  wait_for_all(bench.strategy)


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
