"""Files of networks that are missing, damaged or of the wrong kind: one line names them."""

import json

import pytest

from nadv2_tf import backbones


def _spec_file(path, **changes):
  data = json.loads(backbones.network("mobilenet_v3_demo").to_json())
  block = data["blocks"][1]
  block.update(changes)
  path.write_text(json.dumps(data))
  return path


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("{", "the text is not JSON"),
    ("[]", '"format" must be .* got .list'),
    ('{"format": "other"}', '"format" must be .* got .other'),
  ],
)
def test_file_that_is_no_spec_is_named(fails, tmp_path, content, message):
  path = tmp_path / "net.json"
  path.write_text(content)
  fails(rf"net\.json: .*{message}", "count", f"--network={path}")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"kernel": 4}, "Block 2: .*kernel.* must be odd, got 4"),
    ({"stride": 3}, "Block 2: .*stride.* must be one of 1, 2; got 3"),
    ({"activation": "gelu"}, "activation.* 'linear', 'relu', .*'swish'; got 'gelu'"),
    ({"depthwise": -1}, "Block 2: .*depthwise.* from 0 to .*got -1"),
    ({"colour": 1}, "Block 2: Unknown field 'colour' .* Allowed: activation, "),
    ({"kind": "spiral"}, "Block 2: .*'spiral'. Known: .*inverted_residual"),
  ],
)
def test_bad_field_is_named_with_what_is_allowed(fails, tmp_path, changes, message):
  path = _spec_file(tmp_path / "net.json", **changes)
  fails(rf"net\.json: .*{message}", "count", f"--network={path}")


def test_unknown_network_lists_the_known_ones(fails):
  known = ", ".join(backbones.network_names())
  fails(f"Unknown network 'resnet50'. Known: {known}", "count", "--network=resnet50")
  fails("--network=net.tflite is no known network, and no .json", "count", "--network=net.tflite")


@pytest.mark.parametrize("name", ["none.json", "none.keras", "none.tflite"])
def test_missing_file_is_named(fails, tmp_path, name):
  fails(f"There is no file {tmp_path / name}", "evaluate", f"--network={tmp_path / name}")
  if name.endswith("json"):
    fails(f"There is no file {tmp_path / name}", "count", f"--network={tmp_path / name}")
  if name.endswith("tflite"):
    fails(f"There is no file {tmp_path / name}", "time", f"--tflite={tmp_path / name}")


def test_spec_without_a_run_has_no_weights(fails, tmp_path):
  path = _spec_file(tmp_path / "net.json")
  fails(rf"{path} is a spec and has no weights; --run names", "evaluate", f"--network={path}")
  message = f"{tmp_path / 'none'} holds no run"
  fails(message, "evaluate", f"--network={path}", f"--run={tmp_path / 'none'}")


@pytest.mark.parametrize("content", [b"", b"no network", b"\x20\x00\x00\x00TFL3" + bytes(80)])
@pytest.mark.parametrize("suffix", ["keras", "tflite", "txt"])
def test_broken_network_cannot_be_evaluated(fails, tmp_path, suffix, content):
  path = tmp_path / f"net.{suffix}"
  path.write_bytes(content)
  message = {
    "keras": f"{path} cannot be read as a Keras model",
    "tflite": f"--network={path}: Cannot load the TFLite model",
    "txt": f"must be a .keras, .tflite or .json file, got {path}",
  }[suffix]
  fails(message, "evaluate", f"--network={path}")


def test_a_flag_that_would_say_nothing_is_refused(fails, tmp_path, output):
  """Before any file is read."""
  network = f"--network={tmp_path / 'net.keras'}"
  (tmp_path / "net.keras").touch()
  fails("--run goes with the .json file of a spec", "evaluate", network, "--run=runs/mine")
  export = ("export", f"--output={output}")
  fails("--test_share=0.5 goes with --data", *export, network, "--test_share=0.5")
  fails("--depth_scale=0.1 goes with --data", *export, network, "--depth_scale=0.1")
  fails("--test_split=val goes with --data", *export, "--test_split=val")
  fails("net.keras is a file; a folder is needed", "export", network.replace("network", "output"))
  assert not output.exists()
  fails("--image_size=32 is for Keras models; mobilenet_v3_demo is counted as it is", "count",
        "--network=mobilenet_v3_demo", "--image_size=32")  # fmt: skip


def test_an_application_that_nobody_knows_is_named_as_it_was_given(fails):
  fails("--network=keras:MobileNetV9: keras.applications has no 'MobileNetV9'", "count",
        "--network=keras:MobileNetV9")  # fmt: skip
