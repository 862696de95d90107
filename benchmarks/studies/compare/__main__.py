"""NetAdaptV2 against the alternatives, in one table and one picture.

  python -m nadv2_tf.benchmarks.studies.compare --data=npz:cifar10.npz --preset=cifar10 \\
    --output=compare

Every found network, and the uniformly scaled one, gets equal gradient steps. Killed, it goes on
cell by cell. Two processes can share the work once the latency tables stand, such as with
--seeds=0,1 and --seeds=2.
"""

import pathlib
import sys

from absl import app, flags

from nadv2_tf.benchmarks.studies.compare.methods import METHODS
from nadv2_tf.benchmarks.studies.compare.plan import PRESETS
from nadv2_tf.benchmarks.studies.compare.run import compare

DATA = flags.DEFINE_string("data", None, "Images, as of nadv2-run.", required=True)
PRESET = flags.DEFINE_enum("preset", "cifar10", list(PRESETS), "How large.")
OUTPUT = flags.DEFINE_string("output", None, "Folder that keeps what is done.", required=True)
ONLY = flags.DEFINE_list("methods", list(METHODS), f"Some of {', '.join(METHODS)}.")
SEEDS = flags.DEFINE_list("seeds", None, "Run these seeds' cells alone, and make no table.")


def main(_: list[str]) -> None:
  unknown = set(ONLY.value) - set(METHODS)
  if unknown:
    raise app.UsageError(f"--methods must be some of {', '.join(METHODS)}; got {unknown.pop()}.")
  if not all(seed.isdecimal() for seed in SEEDS.value or ()):
    raise app.UsageError(f"--seeds must be whole numbers, got {','.join(SEEDS.value)}.")
  seeds = [int(seed) for seed in SEEDS.value or ()]
  folder = pathlib.Path(OUTPUT.value)
  command = f"python -m nadv2_tf.benchmarks.studies.compare {' '.join(sys.argv[1:])}"
  print(compare(PRESETS[PRESET.value], DATA.value, ONLY.value, folder, command, seeds=seeds))


if __name__ == "__main__":
  app.run(main)
