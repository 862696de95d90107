"""nadv2-finetune: cut the found network out of the super-network and train it on."""

from absl import flags

from nadv2_tf.flags import groups
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags():
  groups.define_finetune()
  groups.define_output()


def main():
  start_tensorflow()
  from nadv2_tf.pipeline import training_stages
  from nadv2_tf.pipeline.progress import Progress

  options = groups.read(groups.FinetuneOptions)
  progress = Progress()
  bench = training_stages.reopen_workbench(FLAGS.output)
  bench.folder.need(bench.folder.super_weights, "nadv2-train")
  spec = bench.folder.read_spec("found")
  training_stages.check_recipes(bench, options)
  bench.folder.open(finetune=options)
  super_model = training_stages.train_super_network(bench, progress)
  _, metrics = training_stages.finetune(bench, super_model, spec, options, "found", progress)
  progress.line(
    f"test accuracy {metrics['test_accuracy']:.4f}; the network is in {bench.folder.keras('found')}"
  )


def start():
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
