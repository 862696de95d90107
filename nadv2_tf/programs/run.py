"""nadv2-run: train, search, fine-tune, export, time and report, in one go."""

from absl import flags

from nadv2_tf import stopwatch
from nadv2_tf.flags import groups
from nadv2_tf.flags.checkpoints import define_checkpoints
from nadv2_tf.flags.export import define_export, read_export
from nadv2_tf.flags.plan import check_plan, define_plan
from nadv2_tf.flags.search import define_search
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags():
  groups.define_preset()
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
  define_plan()


def main():
  if FLAGS.preset:  # one on the command line is a --flagfile by now
    raise ValueError("--preset belongs on the command line, not into a --flagfile.")
  with stopwatch.running():
    _run()


def _run():
  with stopwatch.stage("start"):
    own = threads.of_step(FLAGS.backbone, FLAGS.image_size, FLAGS.batch_size)
    start_tensorflow("nadv2-run, which exports,", own)
    from nadv2_tf.pipeline import run
    from nadv2_tf.pipeline.progress import Progress

  if FLAGS.plan:
    from nadv2_tf.pipeline.plan import command

    given, progress = command.Given(**options()), Progress()
    if FLAGS.plan_as:
      command.plan_on_paper(given, FLAGS.plan_as, FLAGS.plan_images, progress)
    else:
      command.plan(FLAGS.output, given, progress)
    return
  check_plan()
  given = options()
  run.run(
    output=FLAGS.output,
    references=given.pop("references"),
    progress=Progress(),
    **{f"{group}_options": options for group, options in given.items()},
  )


def options():
  """{group: its options}."""
  return {
    "network": groups.read(groups.NetworkOptions),
    "train": groups.read(groups.TrainOptions),
    "search": groups.read(groups.SearchOptions),
    "finetune": groups.read(groups.FinetuneOptions),
    "references": FLAGS.references,
    "trust": groups.read(groups.TrustOptions),
    "checkpoint": groups.read(groups.CheckpointOptions),
    "export": read_export(),
  }


def start():
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
