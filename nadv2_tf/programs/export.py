"""nadv2-export: the found network, or any plain Keras one, to TFLite."""

import pathlib

from absl import flags

from nadv2_tf.flags import groups
from nadv2_tf.programs.start import start as start_program
from nadv2_tf.programs.start import start_tensorflow

FLAGS = flags.FLAGS


def define_flags():
  groups.define_output()
  flags.DEFINE_string(
    "network",
    None,
    "A .keras file to export; default: found.keras in --output, or that of each target.",
  )


def main():
  start_tensorflow("nadv2-export")
  from nadv2_tf.export import to_tflite
  from nadv2_tf.pipeline.folder import RunFolder
  from nadv2_tf.training.network_files import load_keras

  folder = RunFolder(FLAGS.output)
  if FLAGS.network:
    source = pathlib.Path(FLAGS.network)
    files = [(source, folder.path / f"{source.stem}.tflite")]
  else:
    files = [(place.keras("found"), place.tflite("found")) for place in folder.found_folders()]
  networks = [(load_keras(folder.need(path, "nadv2-finetune")), target) for path, target in files]
  folder.path.mkdir(parents=True, exist_ok=True)
  for network, target in networks:
    path = to_tflite(network, target)
    print(f"{path}: {path.stat().st_size:,} bytes")


def start():
  define_flags()
  start_program(main)


if __name__ == "__main__":
  start()
