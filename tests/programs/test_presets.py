"""--preset=NAME reads a file of the package; flags after it overrule it."""

import pathlib
import subprocess
import sys

import pytest

from nadv2_tf.programs import presets


def test_every_preset_is_read_by_name():
  folder = pathlib.Path(__file__).resolve().parents[2] / "flags" / "presets"
  assert presets.names() == sorted(path.stem for path in folder.glob("*.flags"))
  for name in presets.names():
    for given in ([f"--preset={name}"], ["-preset", name], ["--preset", name]):
      command, flagfile, after = presets.expanded(["nadv2-run", *given, "--epochs=1"])
      assert (command, after) == ("nadv2-run", "--epochs=1")
      path = flagfile.removeprefix("--flagfile=")
      assert path != flagfile and pathlib.Path(path).samefile(folder / f"{name}.flags")


def test_another_name_is_refused_with_those_there_are():
  for given in (["--preset=papers"], ["--preset"], ["--preset", "--epochs=1"]):
    with pytest.raises(ValueError, match="--preset must be one of cifar10, .*, paper, got "):
      presets.expanded(["nadv2-run", *given])


def test_what_stands_after_a_preset_overrules_it():
  program = """
import sys
from absl import flags
from nadv2_tf.programs import presets, run
run.define_flags()
flags.FLAGS(presets.expanded(["nadv2-run", *sys.argv[1:]]))
names = ("order", "full_epochs", "subnetworks_per_batch", "transfer")
print(*(getattr(flags.FLAGS, name) for name in names))
"""
  given = ["--preset=paper", "--full_epochs=2", "--output=somewhere"]
  printed = subprocess.run(
    [sys.executable, "-c", program, *given], capture_output=True, text=True, check=True
  ).stdout
  assert printed.split() == ["paper", "2.0", "64", "direct"]
