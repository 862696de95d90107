"""nadv2-count's listing of networks like other people's."""

import json
import re

import pytest
from other_networks import PLAIN, RESNET, UNIVERSAL

from nadv2_tf.programs.count import describe, is_keras, table
from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, InvertedResidual


@pytest.mark.parametrize(
  ("spec", "block", "kind", "layers"),
  [
    (RESNET, 1, "rescale", "rescale"),
    (RESNET, 3, "pool", "max pool 3"),
    # The shortcut, then the three layers beside it.
    (RESNET, 5, "residual", "8>12>12 8>6>6 6>6>6 6>12>12"),
    (UNIVERSAL, 4, "universal_bottleneck", "8>8>8 8>16>16 16>16>16 16>12>12"),
    (UNIVERSAL, 10, "global_pool", "pool"),
    (PLAIN, 1, "norm", "norm"),
    (PLAIN, 13, "activation", "activation"),
  ],
)
def test_what_a_block_is_made_of(spec, block, kind, layers):
  line = table(describe(spec)).splitlines()[1 + block].split()
  assert line[:2] == [str(block), kind]
  assert " ".join(line[3:-2]) == layers


def test_a_removed_block_is_said_to_be():
  spec = NetworkSpec("n", (4, 4, 8), (Conv(8), InvertedResidual(0, 0, 0)))
  assert "removed" in table(describe(spec)).splitlines()[3]


def test_a_pipeline_on_an_fpga(run_command):
  arguments = ["--network=mobilenet_v3_demo", "--fpga=zu3eg"]
  status, stdout, stderr = run_command("count", *arguments)
  assert status == 0, stderr
  line, resources, engines = stdout.splitlines()[-3:]
  assert line.startswith("on zu3eg: ") and "images a second" in line
  assert re.match(r"  \d+ of 360 DSPs, \d+ of 216 BRAMs, 200 MHz, 8 bits; computed", resources)
  assert re.search(r" \d+x\d+\*", engines)
  status, stdout, _ = run_command("count", *arguments, "--json")
  found = json.loads(stdout)["fpga"]
  assert status == 0 and found["dsp"] == sum(engine["dsp"] for engine in found["engines"])


def test_an_fpga_that_nobody_knows_is_one_line(run_command, check_one_line):
  status, _, stderr = run_command("count", "--network=mobilenet_v3_demo", "--fpga=zu9")
  check_one_line(status, stderr, "one of zu3eg or a .json file, got 'zu9'")


def test_a_saved_model_is_told_the_way_out(run_command, check_one_line, tmp_path):
  (tmp_path / "saved_model.pb").write_bytes(b"")
  for name in (tmp_path, tmp_path / "saved_model.pb"):
    status, _, stderr = run_command("count", f"--network={name}")
    check_one_line(status, stderr, "is a SavedModel, whose layers cannot be read; load it with")
  broken = tmp_path / "model.hdf5"
  broken.write_bytes(b"x")
  status, _, stderr = run_command("count", f"--network={broken}")
  check_one_line(status, stderr, "model.hdf5 cannot be read as a Keras model")


def test_a_folder_of_a_networks_name_hides_it_not(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "mobilenet_v3_demo").mkdir()
  assert not is_keras("mobilenet_v3_demo")
