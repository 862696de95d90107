"""nadv2-export: the found network, or any plain Keras one, to TFLite."""

import pathlib

from absl import flags

from nadv2_tf.flags import groups
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags():
  groups.define_output()
  flags.DEFINE_string("network", None, "A .keras file to export; default: found.keras in --output.")


def main():
  start_tensorflow()
  from nadv2_tf.export import to_tflite
  from nadv2_tf.pipeline.folder import RunFolder
  from nadv2_tf.programs.load import load_keras

  folder = RunFolder(FLAGS.output)
  source = pathlib.Path(FLAGS.network) if FLAGS.network else folder.keras("found")
  network = load_keras(folder.need(source, "nadv2-finetune"))
  folder.path.mkdir(parents=True, exist_ok=True)
  path = to_tflite(network, folder.path / f"{source.stem}.tflite")
  print(f"{path}: {path.stat().st_size:,} bytes")


def start():
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
