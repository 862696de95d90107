"""LiteRT's `benchmark_model` on a phone: its flags, its files, and what they are held to.

Only its stand-in runs here. Its print, its flags and its files were composed after LiteRT's sources
and after public logs of phones; the adb and the daemon are real.
"""

import dataclasses

import pytest
from benchmark_output import litert_block, printed
from result_messages import benchmark_result, runtime_info

from nadv2_tf.benchmarks.timing.errors import BinaryError, FlagError, NothingMeasured
from nadv2_tf.options import TimingSettings

ONCE = TimingSettings(repeats=1, timeout=20, delegate="gpu")
WHOLE = runtime_info(4, (("LITERT_CL", (0, 1, 2, 3)),))
PARTLY_ON = (("LITERT_CL", (0, 1, 2)), ("TfLiteXNNPackDelegate", (3,)))
PARTLY = runtime_info(4, PARTLY_ON)


@pytest.fixture
def litert(phone):
  """A phone with LiteRT's program."""
  phone.install("benchmark_model_litert", result=benchmark_result(), runtime_info=WHOLE)
  phone.say("says.stdout", printed(summary=""))
  phone.say("says.stderr", litert_block())
  phone.say("says.rc", "0")
  return phone


def timed(phone, models, settings):
  with phone.device() as device:
    (timing,) = device.time_files(models("net"), settings)
  phone.assert_as_it_was()
  return timing


def test_what_ran_where_is_part_of_the_record(litert, models):
  timing = timed(litert, models, dataclasses.replace(ONCE, repeats=2))
  assert timing.median_ms == pytest.approx(0.312, rel=1e-6)
  assert timing.p95_ms == pytest.approx(0.318, rel=1e-6)
  assert (timing.delegate, timing.nodes, timing.delegate_nodes) == ("gpu", 4, 4)
  assert (timing.partitions, timing.memory_kb, timing.runs) == (1, 40_000, 50)
  assert timing.notes == ()
  calls = [line.split() for line in litert.said("calls").splitlines()]
  assert len(calls) == 2 * 3  # with the reference before and after it
  for call in calls:
    assert {"--use_gpu=true", "--result_file_path=results/result.pb"} <= set(call)
    assert not any("xnnpack" in flag or "full" in flag for flag in call)


def test_nodes_that_fell_back_are_told_and_refused_on_request(litert, models):
  litert.write(result=benchmark_result(), runtime_info=PARTLY)
  timing = timed(litert, models, ONCE)
  assert (timing.nodes, timing.delegate_nodes, timing.partitions) == (4, 3, 2)
  assert timing.notes == (
    "gpu executes only 3 of 4 nodes (LITERT_CL 3 of 4 nodes, TfLiteXNNPackDelegate 1 of 4 nodes, "
    "2 partition(s))",
  )
  with litert.device() as device, pytest.raises(NothingMeasured, match="LITERT_CL 3 of 4"):
    full = dataclasses.replace(ONCE, require_full_delegation=True)
    device.time_files([*litert.remote.parent.glob("models/*/net.tflite")], full)
  assert "--use_cpu=false --require_full_delegation=true" in litert.said("calls")
  litert.assert_as_it_was()


def test_a_phone_that_answers_from_the_processor_is_refused(litert, models):
  fallback = runtime_info(4, (("TfLiteXNNPackDelegate", (0, 1, 2, 3)),))
  litert.write(result=benchmark_result(), runtime_info=fallback)
  refused = pytest.raises(NothingMeasured, match="TfLiteXNNPackDelegate 4 of 4 nodes")
  with litert.device() as device, refused:
    device.time_files(models("net"), ONCE)
  litert.assert_as_it_was()


@pytest.mark.parametrize("kernels", [(("TfLiteXNNPackDelegate", (0, 1, 2, 3)),), PARTLY_ON])
def test_only_of_the_file_its_delegate_is_demanded(litert, models, kernels):
  """The reference is float32 and not compiled ahead of time: an NPU may take none of it."""
  (litert.state / "reference.runtime_info.pb").write_bytes(runtime_info(4, kernels))
  timing = timed(litert, models, dataclasses.replace(ONCE, require_full_delegation=True))
  assert (timing.nodes, timing.delegate_nodes, timing.notes) == (4, 4, ())
  assert timing.reference_ms == pytest.approx(0.312, rel=1e-6)
  calls = litert.said("calls").splitlines()
  assert ["full_delegation" in call for call in calls] == [False, True, False]
  assert all("--use_gpu=true" in call for call in calls)


def test_a_build_that_writes_no_files_is_read_from_its_print(litert, models):
  litert.write()
  said = "Replacing 4 out of 4 node(s) with delegate (LITERT_CL) node, yielding 1 partitions"
  litert.say("says.stderr", f"INFO: {said} for subgraph 0 (main).\n{litert_block()}")
  timing = timed(litert, models, ONCE)
  assert (timing.median_ms, timing.nodes, timing.memory_kb) == (0.312, 4, None)


def test_the_files_of_an_earlier_run_are_not_read_again(litert, models):
  with litert.device() as device:
    paths = models("net")
    device.time_files(paths, ONCE)
    litert.write()
    with pytest.raises(NothingMeasured, match="does not say that it applied the delegate GPU"):
      device.time_files(paths, ONCE)
  litert.assert_as_it_was()


def test_a_file_that_is_cut_off_is_refused(litert, models):
  litert.write(result=benchmark_result()[:-9], runtime_info=WHOLE)
  with litert.device() as device, pytest.raises(NothingMeasured, match=r"result\.pb .*cannot be"):
    device.time_files(models("net"), ONCE)
  litert.assert_as_it_was()


def test_a_delegate_that_the_program_lacks_is_refused(litert, models):
  with litert.device() as device, pytest.raises(FlagError, match="LiteRT has no delegate 'nnapi'"):
    device.time_files(models("net"), dataclasses.replace(ONCE, delegate="nnapi"))
  litert.assert_as_it_was()


def test_the_libraries_of_an_npu_lie_beside_the_program_while_it_times(litert, models, tmp_path):
  libraries = tmp_path / "npu"
  libraries.mkdir()
  for name in ("libLiteRtDispatch_Maker.so", "libMaker.so.2", "README.txt"):
    (libraries / name).write_text(name)
  litert.write(result=benchmark_result(), runtime_info=runtime_info(4, (("NPU", (0, 1, 2, 3)),)))
  npu = dataclasses.replace(
    ONCE, delegate="npu", npu_libraries=str(libraries), benchmark_flags="--use_profiler=false"
  )
  paths = models("net")
  with litert.device() as device:
    device.time_files(paths, npu)
    (folder,) = litert.remote.iterdir()
    assert not [path for path in folder.iterdir() if ".so" in path.name]
    litert.write(result=benchmark_result(), runtime_info=WHOLE)
    device.time_files(paths, ONCE)
  calls, loads = (litert.said(name).splitlines() for name in ("calls", "loads"))
  timed_with = [line for line in calls if "--use_npu=true" in line]
  assert len(timed_with) == len(calls) / 2
  for line in timed_with:
    assert f"--dispatch_library_path={folder}" in line and "--use_profiler=false" in line
    assert f"--compiler_plugin_library_path={folder}" in line
  here = f"{folder} {folder} libLiteRtDispatch_Maker.so libMaker.so.2"
  assert loads == [here] * len(timed_with) + ["  *.so*"] * len(timed_with)
  assert not any("library_path" in line for line in calls if line not in timed_with)
  litert.assert_as_it_was()


@pytest.mark.parametrize(
  ("made", "says"), [(False, "There is no folder"), (True, "There is no library")]
)
def test_a_folder_without_libraries_is_refused(litert, models, tmp_path, made, says):
  folder = tmp_path / "npu"
  if made:
    folder.mkdir()
    (folder / "README.txt").write_text("none")
  npu = dataclasses.replace(ONCE, delegate="npu", npu_libraries=str(folder))
  with litert.device() as device, pytest.raises(BinaryError, match=says):
    device.time_files(models("net"), npu)
  litert.assert_as_it_was()
