"""What a device computes, held against LiteRT here: a phone that does right, and some that do not.

The programs are stand-ins that run the file with LiteRT's interpreter; flags and files of the real
ones are read in their sources.
"""

import dataclasses
import pathlib
import sys

import numpy as np
import pytest

from nadv2_tf.benchmarks.timing import output_tools
from nadv2_tf.benchmarks.timing import outputs as subject
from nadv2_tf.benchmarks.timing.devices import binary as binaries
from nadv2_tf.benchmarks.timing.devices import open_device, phone_outputs
from nadv2_tf.benchmarks.timing.errors import (
  BinaryError,
  DeviceError,
  NothingMeasured,
  WrongOutputs,
)
from nadv2_tf.options import TimingSettings

CPU = TimingSettings(timeout=60)
GPU = dataclasses.replace(CPU, delegate="gpu")
RUN_FILE = pathlib.Path(__file__).parents[1] / "helpers" / "run_file.py"
#: as TensorFlow Lite's takes them, and as LiteRT's
TFLITE = f"""#!/bin/sh
# use_xnnpack input_layer_value_files output_filepath
for flag in "$@"; do
  case $flag in
    --graph=*) graph=${{flag#*=}} ;;
    --input_layer_value_files=input:*) given=${{flag#*:}} ;;
    --output_filepath=*) gives=${{flag#*=}} ;;
  esac
done
echo "$*" >>"$PHONE/calls"
echo "STARTING!"
cat "$PHONE/says" 2>/dev/null
{sys.executable} {RUN_FILE} "$graph" "$given" "$gives"
"""
LITERT = "#!/bin/sh\n# use_npu result_file_path\nexit 1\n"
RUN_MODEL = f"""#!/bin/sh
# input_dir output_dir
for flag in "$@"; do
  case $flag in
    --graph=*) graph=${{flag#*=}} ;;
    --input_dir=*) given=${{flag#*=}} ;;
    --output_dir=*) gives=${{flag#*=}} ;;
  esac
done
echo "$*, $LD_LIBRARY_PATH" >>"$PHONE/calls"
[ -f ./libLiteRt.so ] || [ -n "$HOST" ] || exit 3
cat "$PHONE/says" 2>/dev/null
input=$(ls "$given")
{sys.executable} {RUN_FILE} "$graph" "$given/$input" "$gives/$(cat "$PHONE/output_name").raw"
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory, tiny_space):
  from nadv2_tf.benchmarks.tables.networks import network_file

  path = tmp_path_factory.mktemp("files") / "network.tflite"
  path.write_bytes(network_file(tiny_space.largest()))
  return path


@pytest.fixture(scope="module")
def images(network):
  return subject.noise(network)[:2]


def check(device, network, images, settings=CPU):
  return subject.check_outputs(device, network, images, "images", settings)


def output_name(network):
  """As LiteRT's newer interface, which run_model uses, calls the output of a file."""
  from ai_edge_litert.compiled_model import CompiledModel

  made = CompiledModel.from_file(str(network))
  return made.get_signature_by_index(0)["outputs"][0]


def make(path, content):
  path.write_text(content)
  path.chmod(0o755)


@pytest.fixture
def tflite(phone):
  """A phone with TensorFlow Lite's program."""
  make(phone.binary, TFLITE)
  return phone


@pytest.fixture
def litert(phone, network):
  """A phone with LiteRT's programs."""
  make(phone.binary, LITERT)
  make(phone.binary.parent / "run_model", RUN_MODEL)
  make(phone.binary.parent / "libLiteRt.so", "a library\n")
  phone.say("output_name", output_name(network))
  return phone


# --- on a phone ---------------------------------------------------------------------------------


def test_a_phone_that_computes_right_agrees(tflite, network, images):
  with tflite.device() as device:
    found = check(device, network, images)
  assert found.agrees and found.images == 2 and found.top_1_agreement == 1.0
  assert 0 <= found.largest_difference <= found.largest_allowed < found.spread
  assert "outputs of 2 images agree with LiteRT on this machine" in found.describe()
  subject.require(found, network)
  calls = tflite.said("calls").splitlines()
  assert len(calls) == 2
  assert "--use_xnnpack=true --input_layer=input --input_layer_shape=1,8,8,1" in calls[0]
  tflite.assert_as_it_was()


def test_a_phone_that_computes_wrong_numbers_is_refused(tflite, network, images):
  tflite.say("wrong", "")
  with tflite.device() as device:
    found = check(device, network, images)
  assert not found.agrees and "DO NOT AGREE" in found.describe()
  with pytest.raises(WrongOutputs, match=r"something else of .* with the delegate cpu"):
    subject.require(found, network)
  tflite.assert_as_it_was()


def test_outputs_of_a_fallback_are_none_of_the_delegate(tflite, network, images):
  refused = pytest.raises(NothingMeasured, match="does not say that it applied the delegate GPU")
  with tflite.device() as device, refused:
    check(device, network, images, GPU)
  tflite.say("says", "Explicitly applied GPU delegate, and the model graph will be completely\n")
  with tflite.device() as device:
    found = check(device, network, images, GPU)
  assert found.agrees and found.largest_allowed == pytest.approx(0.1 * found.spread)
  tflite.assert_as_it_was()


ON_GPU = "Replacing 9 out of 9 node(s) with delegate (LITERT_CL) node, yielding 1 partitions\n"


def test_litert_gives_outputs_by_run_model(litert, network, images):
  litert.say("says", ON_GPU)
  with litert.device() as device:
    found = check(device, network, images, GPU)
  assert found.agrees and found.notes == ()
  calls = litert.said("calls").splitlines()
  assert len(calls) == 2
  assert calls[0].rpartition(", ")[2].startswith(f"{litert.remote}/")  # what it loads lies there
  assert "--accelerator=gpu,cpu --input_dir=given --output_dir=gives --iterations=1" in calls[0]
  litert.assert_as_it_was()


def test_outputs_of_nobody_knows_what_are_no_agreement(litert, network, images):
  """They may be the processor's, which run_model is allowed to leave all to."""
  full = dataclasses.replace(CPU, require_full_delegation=True)
  with litert.device() as device:
    for settings in (GPU, dataclasses.replace(GPU, require_full_delegation=True), full):
      with pytest.raises(NothingMeasured, match="does not say what ran where, so that nobody can"):
        check(device, network, images, settings)
    # The processor is what is left where nothing else was asked for.
    found = check(device, network, images, CPU)
  assert found.agrees and found.notes == ("run_model does not say what ran where",)
  litert.assert_as_it_was()


def test_what_run_model_says_of_its_nodes_counts(litert, network, images):
  line = "Replacing {} out of 9 node(s) with delegate ({}) node, yielding 2 partitions\n"
  litert.say("says", line.format(8, "LITERT_CL"))
  with litert.device() as device:
    found = check(device, network, images, GPU)
    assert found.notes == (
      "gpu executes only 8 of 9 nodes (LITERT_CL 8 of 9 nodes, 2 partition(s))",
    )
    litert.say("says", line.format(9, "TfLiteXNNPackDelegate"))
    with pytest.raises(NothingMeasured, match="TfLiteXNNPackDelegate 9 of 9 nodes"):
      check(device, network, images, GPU)
    full = dataclasses.replace(GPU, require_full_delegation=True)
    with pytest.raises(NothingMeasured):
      check(device, network, images, full)
  assert "--accelerator=gpu --input_dir" in litert.said("calls").splitlines()[-1]
  litert.assert_as_it_was()


@pytest.mark.parametrize(
  ("name", "says"), [("silent", "wrote no gives/output.raw"), ("short", "gave 4 bytes of output")]
)
def test_a_phone_that_gives_too_little_is_refused(tflite, network, images, name, says):
  tflite.say(name, "")
  with tflite.device() as device, pytest.raises(NothingMeasured, match=says):
    check(device, network, images)
  tflite.assert_as_it_was()


def test_an_output_that_is_too_large_is_refused(tflite, network, images, monkeypatch):
  monkeypatch.setattr(phone_outputs, "LARGEST_OUTPUT", 7)
  with tflite.device() as device, pytest.raises(NothingMeasured, match="8 bytes, more than 7"):
    check(device, network, images)
  tflite.assert_as_it_was()


def test_a_run_model_that_fails_is_told(litert, network, images):
  (litert.binary.parent / "libLiteRt.so").unlink()
  refused = pytest.raises(NothingMeasured, match="run_model failed with exit status 3")
  with litert.device() as device, refused as raised:
    check(device, network, images)
  assert "command: adb -s" in str(raised.value)
  litert.assert_as_it_was()


# --- builds that cannot -------------------------------------------------------------------------


@pytest.mark.parametrize(
  ("tool", "run_model", "says"),
  [
    ("#!/bin/sh\n", None, "has no --output_filepath"),
    (LITERT, None, "there is no run_model of the same build"),
    (LITERT, "#!/bin/sh\n# input_dir\n", "has no --output_dir"),
  ],
)
def test_a_build_that_cannot_give_outputs_says_so(tmp_path, network, images, tool, run_model, says):
  make(tmp_path / "benchmark_model", tool)
  if run_model:
    make(tmp_path / "run_model", run_model)
  device = open_device("host", tmp_path / "benchmark_model")
  with pytest.raises(BinaryError, match=says):
    check(device, network, images)


def test_litert_benchmark_gives_no_outputs(network, images):
  device = open_device("host", host_runner="litert")
  with pytest.raises(DeviceError, match="gives no outputs"):
    check(device, network, images)


def test_run_model_is_fetched_from_where_benchmark_model_is(tmp_path, monkeypatch):
  asked = []

  def fetch(url, folder, abi):
    asked.append(url.removeprefix("https://storage.googleapis.com/litert/binaries/"))
    return tmp_path / url.rpartition("/")[2]

  monkeypatch.setattr(binaries, "fetch", fetch)
  found = binaries.find_run_model(abi="arm64-v8a", url="litert:2.1.6")
  assert list(found) == ["run_model", *output_tools.LIBRARIES]
  assert asked == [f"2.1.6/android_arm64/{name}" for name in found]
  for url, abi in (("tensorflow", "arm64-v8a"), ("https://x/y", "arm64-v8a"), (None, "x86")):
    assert binaries.find_run_model(abi=abi, url=url) == {}


# --- on this machine ----------------------------------------------------------------------------


@pytest.mark.parametrize("delegate", ["cpu", "none"])
def test_this_machine_agrees_with_itself(network, images, delegate):
  with open_device("host") as device:
    found = check(device, network, images, TimingSettings(delegate=delegate))
  assert found.agrees and found.rms_difference <= 1e-4 * found.spread


@pytest.mark.parametrize("name", ["benchmark_model", "run_model"])
def test_programs_on_this_machine_give_outputs(tmp_path, monkeypatch, network, images, name):
  monkeypatch.setenv("PHONE", str(tmp_path))
  monkeypatch.setenv("HOST", "1")
  (tmp_path / "output_name").write_text(output_name(network))
  make(tmp_path / "benchmark_model", TFLITE if name == "benchmark_model" else LITERT)
  make(tmp_path / "run_model", RUN_MODEL)
  with open_device("host", tmp_path / "benchmark_model") as device:
    assert check(device, network, images).agrees
    (tmp_path / "wrong").touch()
    assert not check(device, network, images).agrees
    (tmp_path / "silent").touch()
    with pytest.raises(NothingMeasured, match="wrote no output"):
      check(device, network, images)


def test_the_libraries_of_an_npu_are_found_on_this_machine(tmp_path, monkeypatch, network, images):
  """In the folder that was given, before what the user's own environment names."""
  npu = tmp_path / "npu"
  npu.mkdir()
  (npu / "libLiteRtDispatch_Maker.so").touch()
  for name, value in (("PHONE", tmp_path), ("HOST", "1"), ("LD_LIBRARY_PATH", "/mine:/yours")):
    monkeypatch.setenv(name, str(value))
  (tmp_path / "output_name").write_text(output_name(network))
  (tmp_path / "says").write_text(ON_GPU.replace("LITERT_CL", "DispatchDelegate"))
  make(tmp_path / "benchmark_model", LITERT)
  make(tmp_path / "run_model", RUN_MODEL)
  settings = dataclasses.replace(CPU, delegate="npu", npu_libraries=str(npu))
  with open_device("host", tmp_path / "benchmark_model") as device:
    assert check(device, network, images, settings).agrees
  for call in (tmp_path / "calls").read_text().splitlines():
    assert f"--dispatch_library_dir={npu} --compiler_plugin_library_dir={npu}" in call
    assert call.endswith(f", {npu}:{tmp_path}:/mine:/yours")


def test_names_that_are_no_file_names_are_refused():
  with pytest.raises(NothingMeasured, match=r"'\.\./x', which no program can be given"):
    output_tools.Tensors("../x", "y", (1,), 4)


def test_not_a_number_does_not_agree():
  values = dict.fromkeys(("largest_allowed", "rms_allowed"), 1.0)
  nan = dict.fromkeys(("largest_difference", "rms_difference"), np.nan)
  found = subject.OutputCheck("images", 1, "gpu", **values, **nan, spread=1.0, top_1_agreement=None)
  assert not found.agrees
