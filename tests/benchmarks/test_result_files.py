"""Files of LiteRT's `benchmark_model`: read whole, or refused."""

import pytest
from benchmark_output import printed, read
from result_messages import LATENCY, benchmark_result, runtime_info

from nadv2_tf.benchmarks.timing import benchmark_model, errors, result_files
from nadv2_tf.benchmarks.timing.placement import Placement, printed_placement

CL, XNN = "LITERT_CL", "TfLiteXNNPackDelegate"


@pytest.fixture
def written(tmp_path):
  """Function (content) -> a file of it."""

  def write(content):
    path = tmp_path / "written.pb"
    path.write_bytes(content)
    return path

  return write


# --- results ------------------------------------------------------------------------------------


def test_a_result_is_read(written):
  result = result_files.read_result(written(benchmark_result()))
  assert (result.runs, result.memory_kb) == (50, 40_000)
  times = (result.mean_ms, result.min_ms, result.median_ms, result.p95_ms, result.max_ms)
  assert times == pytest.approx((0.31165, 0.304, 0.312, 0.318, 0.318), rel=1e-6)


def test_a_file_cut_at_any_byte_is_refused_or_read_whole(written):
  cases = [
    (benchmark_result(), result_files.read_result),
    (runtime_info(), result_files.read_runtime_info),
    (runtime_info(graphs=2), result_files.read_runtime_info),
    (runtime_info(5, ((CL, (0, 1)), (XNN, (3, 4)))), result_files.read_runtime_info),
  ]
  for content, reader in cases:
    whole, refused = reader(written(content)), 0
    for end in range(len(content)):
      try:
        assert reader(written(content[:end])) == whole, end
      except errors.NothingMeasured:
        refused += 1
    assert refused >= len(content) // 2  # of two graphs the second is not what is read


@pytest.mark.parametrize("name", LATENCY)
def test_a_result_without_one_of_its_numbers_is_refused(written, name):
  with pytest.raises(errors.NothingMeasured, match=f"has no {name}"):
    result_files.read_result(written(benchmark_result(**{name: None})))


@pytest.mark.parametrize(
  "numbers",
  [
    {"median_ms": 0.303},  # below min
    {"median_ms": 0.319},  # above max
    {"avg_ms": 0.32},
    {"p95_ms": 0.305},
    {"median_ms": float("nan")},
    {"max_ms": float("inf")},
    {"min_ms": -1.0},
    dict.fromkeys(LATENCY, 0.0),
    {"runs": 0},
  ],
)
def test_numbers_that_contradict_each_other_are_refused(written, numbers):
  with pytest.raises(errors.NothingMeasured, match="contradict each other|has no num_runs"):
    result_files.read_result(written(benchmark_result(**numbers)))


def test_a_file_that_is_too_large_is_refused(written, monkeypatch):
  path = written(benchmark_result())
  monkeypatch.setattr(result_files, "LARGEST_FILE", path.stat().st_size - 1)
  with pytest.raises(errors.NothingMeasured, match="larger than"):
    result_files.read_result(path)


# --- what ran where -----------------------------------------------------------------------------


@pytest.mark.parametrize(
  ("nodes", "kernels", "expected"),
  [
    (4, (), Placement(4, {}, 1)),
    (4, ((CL, (0, 1, 2, 3)),), Placement(4, {CL: 4}, 1)),
    (4, ((CL, (0, 1, 2)),), Placement(4, {CL: 3}, 2)),  # and the last node
    (5, ((CL, (1, 2)), (CL, (4,))), Placement(5, {CL: 3}, 4)),  # 0, kernel, 3, kernel
    (4, ((CL, (0, 1, 2)), (XNN, (3,))), Placement(4, {CL: 3, XNN: 1}, 2)),
  ],
)
def test_nodes_and_partitions_are_counted(written, nodes, kernels, expected):
  assert result_files.read_runtime_info(written(runtime_info(nodes, kernels))) == expected


def test_nodes_that_contradict_each_other_are_refused(written):
  from tensorflow.lite.profiling.proto import model_runtime_info_pb2

  def changed(change):
    details = model_runtime_info_pb2.ModelRuntimeDetails.FromString(runtime_info())
    change(details.subgraphs[0])
    return written(details.SerializeToString())

  kernel = "delegate_node_details"
  for change in (
    lambda graph: graph.execution_plan.append(99),
    lambda graph: graph.execution_plan.append(graph.execution_plan[0]),
    lambda graph: getattr(graph.nodes[4], kernel).tflite_node_ids_replaced.append(98),
    lambda graph: getattr(graph.nodes[4], kernel).tflite_node_ids_replaced.append(0),
    lambda graph: graph.nodes.add(id=0),
    lambda graph: graph.ClearField("execution_plan"),
    lambda graph: graph.ClearField("nodes"),
  ):
    with pytest.raises(errors.NothingMeasured, match="contradict each other|no main graph"):
      result_files.read_runtime_info(changed(change))


def line(replaced, nodes, name, partitions, graph=" for subgraph 0 (main)."):
  return (
    f"INFO: Replacing {replaced} out of {nodes} node(s) with delegate ({name}) node, yielding "
    f"{partitions} partitions{graph}\n"
  )


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("", None),
    (line(70, 70, CL, 1), Placement(70, {CL: 70}, 1)),
    (line(70, 70, CL, 1, "."), Placement(70, {CL: 70}, 1)),  # builds before 2024
    (line(60, 62, CL, 2) + line(2, 3, XNN, 2), Placement(62, {CL: 60, XNN: 2}, 2)),
    (line(9, 9, XNN, 1, " for subgraph 1 (loop).") + line(3, 4, CL, 2), Placement(4, {CL: 3}, 2)),
  ],
)
def test_what_a_runtime_prints_of_its_nodes_is_read(text, expected):
  assert printed_placement(text) == expected


@pytest.mark.parametrize(
  ("delegate", "said", "notes"),
  [
    ("gpu", line(70, 70, CL, 1), 0),
    ("gpu", line(60, 62, CL, 2) + line(2, 3, XNN, 2), 1),
    ("npu", line(1, 1, "DispatchDelegate", 1), 0),
    ("npu", line(2, 3, "DispatchDelegate", 3), 1),
    ("cpu", line(70, 70, XNN, 1), 0),
    ("cpu", line(60, 70, XNN, 5), 1),
    ("gpu", line(9, 9, "TfLiteGpuDelegateV2", 1), 0),
  ],
)
def test_less_than_all_on_the_delegate_is_told_or_refused(delegate, said, notes):
  reading = read(said + printed(), delegate=delegate)
  assert len(reading.notes) == notes
  for note in reading.notes:
    assert f"{delegate} executes only {reading.placement.on(delegate)} of" in note
  if notes:
    with pytest.raises(errors.NothingMeasured, match="leave --require_full_delegation out"):
      benchmark_model.read(said + printed(), "", 0, "b", delegate, is_full=True)
  else:
    assert benchmark_model.read(said + printed(), "", 0, "b", delegate, is_full=True) == reading


@pytest.mark.parametrize(
  ("delegate", "said"),
  [
    ("gpu", line(70, 70, XNN, 1)),  # fell back
    ("npu", line(70, 70, CL, 1)),
    ("npu", line(0, 70, "DispatchDelegate", 0) + line(70, 70, XNN, 1)),
    ("cpu", line(70, 70, CL, 1)),
    ("none", line(70, 70, XNN, 1)),
  ],
)
def test_a_silent_fallback_is_refused(delegate, said):
  with pytest.raises(errors.NothingMeasured, match=f"with the delegate {delegate}"):
    read(said + printed(), delegate=delegate)


def test_a_build_that_says_nothing_does_not_prove_full_delegation():
  applied = "Explicitly applied GPU delegate, and the model graph will be {}\n"
  whole = applied.format("completely executed by the delegate.") + printed()
  assert benchmark_model.read(whole, "", 0, "b", "gpu", is_full=True).notes == ()
  partly = applied.format("partially executed by the delegate w/ 3 delegate kernels.") + printed()
  for text, delegate in ((partly, "gpu"), (printed(), "cpu")):
    with pytest.raises(errors.NothingMeasured, match="require_full_delegation"):
      benchmark_model.read(text, "", 0, "b", delegate, is_full=True)


# --- files beside the print ---------------------------------------------------------------------


def test_the_files_say_more_than_the_print(tmp_path):
  (tmp_path / "result.pb").write_bytes(benchmark_result(median_ms=0.3115))
  (tmp_path / "runtime_info.pb").write_bytes(runtime_info(4, ((CL, (0, 1, 2)),)))
  reading = benchmark_model.read(printed(), "", 0, "b", "gpu", tmp_path)
  assert reading.median_ms == pytest.approx(0.3115, rel=1e-6)
  assert reading.memory_kb == 40_000
  assert reading.placement == Placement(4, {CL: 3}, 2)
  assert reading.notes == (f"gpu executes only 3 of 4 nodes ({CL} 3 of 4 nodes, 2 partition(s))",)


@pytest.mark.parametrize("changes", [{"runs": 49}, {"avg_ms": 0.3118}])
def test_a_result_of_another_run_is_refused(tmp_path, changes):
  (tmp_path / "result.pb").write_bytes(benchmark_result(**changes))
  with pytest.raises(errors.NothingMeasured, match="contradicts its line of statistics"):
    benchmark_model.read(printed(), "", 0, "b", None, tmp_path)
