"""nadv2-finetune: cut the found network, or that of each target, out and train it on."""

import dataclasses

from absl import flags

from nadv2_tf.flags.define import define, define_output, read
from nadv2_tf.options import CheckpointOptions, FinetuneOptions, TrainOptions, TrustOptions
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
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.report import tables
  from nadv2_tf.pipeline.stages import full as full_stage
  from nadv2_tf.pipeline.stages import recipes, trust, workbench, workers
  from nadv2_tf.pipeline.stages import super_network as super_stage
  from nadv2_tf.pipeline.stages import training as training_stages
  from nadv2_tf.training.strategies import wait_for_all

  options = read(FinetuneOptions)
  trust_options = read(TrustOptions)
  trust.check_trust(trust_options)
  bench = workbench.reopen_workbench(FLAGS.output, read(CheckpointOptions), FLAGS.strategy)
  progress = workers.own_progress(bench.strategy, Progress())
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  places = bench.folder.found_folders()
  specs = [place.read_spec("found") for place in places]
  recipes.check_recipes(bench, options)
  with bench.folder.locked():
    bench.folder.open(finetune=options)
    full, model = full_stage.train_full(bench, progress)
    super_model = super_stage.train_super_network(bench, progress, full, model=model)
    if full is None:
      full = training_stages.trained_full(bench, super_model, options, progress)
    for place, spec in zip(places, specs, strict=True):
      there = dataclasses.replace(bench, folder=place)
      _, metrics = training_stages.finetune(
        there, super_model, spec, options, "found", progress, full
      )
      quality = f"test {bench.task.quality_name} {metrics.test_accuracy:.4f}"
      progress.line(f"{quality}; the network is in {place.keras('found')}")
    trust.measure_trust(bench, super_model, options, trust_options, progress, full)
    progress.line(tables.trust_line(bench.folder.metrics()))
  wait_for_all(bench.strategy)


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
