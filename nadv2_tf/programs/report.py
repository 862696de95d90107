"""nadv2-report: tables and pictures of a finished run."""

from absl import flags

from nadv2_tf.flags.define import define_output
from nadv2_tf.programs.start import start as start_program

FLAGS = flags.FLAGS


def define_flags() -> None:
  define_output()


def main() -> None:
  from nadv2_tf.pipeline.report import write_report
  from nadv2_tf.pipeline.run_folder.folder import RunFolder

  folder = RunFolder(FLAGS.output)
  print(write_report(folder))
  print(f"{folder.report} and {folder.pareto} are written")


def start() -> None:
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
