"""What this machine is asked for and cannot heed is refused, for timings and for outputs."""

import pytest

from nadv2_tf.benchmarks.tables.pieces import piece_file
from nadv2_tf.benchmarks.timing import outputs
from nadv2_tf.benchmarks.timing.devices import host, open_device
from nadv2_tf.benchmarks.timing.errors import DeviceError, TimingError
from nadv2_tf.options import TimingSettings
from nadv2_tf.resources.pieces import Piece

FULL = TimingSettings(require_full_delegation=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
  path = tmp_path_factory.mktemp("files") / "net.tflite"
  path.write_bytes(piece_file(Piece("conv", 8, 8, 4, 4, 3), copies=1))
  return path


@pytest.mark.parametrize("runner", ["interpreter", "litert"])
def test_full_delegation_is_refused_where_nobody_says_what_was_taken(file, monkeypatch, runner):
  monkeypatch.setattr(host, "_run", None)
  says = (
    f"The host runner {runner} does not say which nodes the delegate cpu ran: leave --require_f"
  )
  with pytest.raises(DeviceError, match=says) as raised:
    open_device("host", host_runner=runner).time_files([file], FULL)
  assert len(str(raised.value).splitlines()) == 1


def test_litert_benchmark_refuses_itself_what_the_gpu_leaves(file, monkeypatch):
  asked = []
  monkeypatch.setattr(host, "_run", lambda command, _: asked.append(command) or ("", "", 1))
  settings = TimingSettings(delegate="gpu", require_full_delegation=True)
  with pytest.raises(TimingError, match="litert-benchmark failed"):
    open_device("host", host_runner="litert").measure([file], settings)
  assert "--require_full_delegation" in asked[0]


@pytest.mark.parametrize(
  ("settings", "says"),
  [(FULL, "does not say which nodes"), (TimingSettings(delegate="gpu"), "has no delegate 'gpu'")],
  ids=["full", "gpu"],
)
def test_outputs_here_do_not_vouch_for_what_this_machine_lacks(file, settings, says):
  device, images = open_device("host"), outputs.noise(file)[:1]
  with pytest.raises(DeviceError, match=says):
    outputs.check_outputs(device, file, images, "images", settings)
