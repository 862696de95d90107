"""nadv2-run: train, search, fine-tune, export, time and report, in one go."""

from absl import flags

from nadv2_tf import stopwatch
from nadv2_tf.flags import groups
from nadv2_tf.flags.checkpoints import define_checkpoints
from nadv2_tf.flags.export import define_export, read_export
from nadv2_tf.flags.search import define_search
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags():
  groups.define_network()
  groups.define_train()
  define_search()
  groups.define_finetune()
  groups.define_trust()
  define_checkpoints()
  define_export()
  groups.define_output()
  flags.DEFINE_bool(
    "references",
    False,
    "Also train and time the full network and the uniformly scaled one that is as fast as the "
    "found network.",
  )


def main():
  with stopwatch.running():
    _run()


def _run():
  with stopwatch.stage("start"):
    start_tensorflow("nadv2-run, which exports,")
    from nadv2_tf.pipeline import run
    from nadv2_tf.pipeline.progress import Progress

  run.run(
    output=FLAGS.output,
    network_options=groups.read(groups.NetworkOptions),
    train_options=groups.read(groups.TrainOptions),
    search_options=groups.read(groups.SearchOptions),
    finetune_options=groups.read(groups.FinetuneOptions),
    references=FLAGS.references,
    progress=Progress(),
    trust_options=groups.read(groups.TrustOptions),
    checkpoint_options=groups.read(groups.CheckpointOptions),
    export_options=read_export(),
  )


def start():
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
