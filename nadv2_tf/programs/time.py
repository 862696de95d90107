"""nadv2-time: time a TFLite file on this machine."""

import dataclasses
import json
import pathlib

from absl import flags

from nadv2_tf.programs.start import start as start_program

FLAGS = flags.FLAGS


def define_flags():
  flags.DEFINE_string("tflite", None, "The .tflite file to time.", required=True)
  flags.DEFINE_enum("device", "host", ["host"], "Where to time it: this machine.")
  flags.DEFINE_integer("num_threads", 1, "Threads of the interpreter.", lower_bound=1)
  flags.DEFINE_integer("runs", 50, "Counted runs of one repeat.", lower_bound=1)
  flags.DEFINE_integer(
    "warmup_runs", 10, "Runs before each repeat that do not count.", lower_bound=0
  )
  flags.DEFINE_integer("repeats", 3, "Repeats; the median over them is reported.", lower_bound=1)
  flags.DEFINE_bool("json", False, "Print JSON instead of a line.")


def main():
  from nadv2_tf.benchmarks.host import time_files

  path = pathlib.Path(FLAGS.tflite)
  if not path.is_file():
    raise ValueError(f"There is no file {path}.")
  (timing,) = time_files([path], FLAGS.num_threads, FLAGS.runs, FLAGS.warmup_runs, FLAGS.repeats)
  if FLAGS.json:
    print(json.dumps(dataclasses.asdict(timing), indent=2))
    return
  print(
    f"{path}: {timing.median_ms:.4g} ms median, {timing.p95_ms:.4g} ms p95, spread of "
    f"{timing.repeats} repeats {timing.spread:.1%}, {timing.num_threads} thread(s), "
    f"{timing.runtime}, {timing.device}"
  )


def start():
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
