"""nadv2-run: train, search, fine-tune, export, time and report, in one go."""

from absl import flags

from nadv2_tf import stopwatch
from nadv2_tf.flags.define import define, define_output, define_preset, read
from nadv2_tf.flags.plan import check_plan, define_plan
from nadv2_tf.option import options_of
from nadv2_tf.options import RunOptions
from nadv2_tf.options.run import GROUPS
from nadv2_tf.programs import threads
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
  define_preset()
  for group in GROUPS.values():
    define(group)
  define(RunOptions)
  define_output()
  define_plan()


def main() -> None:
  if FLAGS.preset:  # one on the command line is a --flagfile by now
    raise ValueError("--preset belongs on the command line, not into a --flagfile.")
  with stopwatch.running():
    _run()


def _run() -> None:
  with stopwatch.stage("start"):
    backbone = None if FLAGS.network else FLAGS.backbone
    own = threads.of_step(backbone, FLAGS.image_size, FLAGS.batch_size)
    start_tensorflow("nadv2-run, which exports,", own)
    from nadv2_tf.pipeline import run
    from nadv2_tf.pipeline.progress import Progress

  if FLAGS.plan:
    from nadv2_tf.pipeline.plan import command

    given, progress = options(), Progress()
    if FLAGS.plan_as:
      command.plan_on_paper(given, FLAGS.plan_as, FLAGS.plan_images, progress)
    else:
      command.plan(FLAGS.output, given, progress)
    return
  check_plan()
  run.run(FLAGS.output, options(), Progress())


def options() -> RunOptions:
  """All that the flags say."""
  own = {name: FLAGS[name].value for name in options_of(RunOptions)}
  return RunOptions(**{name: read(group) for name, group in GROUPS.items()}, **own)


def start() -> None:
  define_flags()
  start_program(main, goes_on=True)


if __name__ == "__main__":
  start()
