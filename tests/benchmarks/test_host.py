"""Timing on this machine and the table made of it: records and refusals, never speeds."""

import math

import pytest
from nadv2_tf.benchmarks import host, latency_table
from nadv2_tf.benchmarks.pieces import BUILDERS

from nadv2_tf import export
from nadv2_tf.models import stand_alone
from nadv2_tf.resources import latency_table as table_reader
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual


@pytest.fixture(scope="module")
def space():
  network = NetworkSpec(
    "tiny",
    (8, 8, 1),
    (
      Conv(8, 3, 2, "hard_swish", bypass_cap=4),
      InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
      Head(2, None),
    ),
  )
  return space_of(network, levels=2)


def test_a_timing_says_how_it_was_made(tmp_path, space):
  paths = [
    export.to_tflite(stand_alone(spec), tmp_path / f"{index}.tflite")
    for index, spec in enumerate((space.largest(), space.smallest()))
  ]
  timings = host.time_files(paths, num_threads=1, runs=5, warmup_runs=1, repeats=3)
  assert len(timings) == 2
  assert timings[0].file_sha256 != timings[1].file_sha256
  for timing in timings:
    assert timing.median_ms > 0 and math.isfinite(timing.median_ms)
    assert timing.spread >= 0
    assert (timing.runs, timing.repeats, timing.num_threads) == (5, 3, 1)
    assert timing.device.startswith("host: ") and timing.runtime.startswith("ai-edge-litert ")


def test_what_cannot_be_timed_is_an_error_and_no_number(tmp_path):
  broken = tmp_path / "broken.tflite"
  broken.write_bytes(b"no model")
  with pytest.raises(host.TimingError, match="exit status 1: .*Cannot load the TFLite model"):
    host.time_files([broken])


def test_measured_table_covers_the_space_and_comes_back_from_its_file(tmp_path, space):
  seen = []
  table = latency_table.measure_table(space, report=lambda done, total: seen.append((done, total)))
  assert seen[-1][0] == seen[-1][1] == len(table.rows) + 1
  assert float(table.facts["largest_ms"]) > 0
  path = tmp_path / "table.csv"
  path.write_text(table.to_csv())
  again = table_reader.LatencyTable.from_csv(path)
  for index in range(3**5):
    choices = []
    for decision in space.decisions:
      index, digit = divmod(index, len(decision.choices))
      choices.append(decision.choices[digit])
    spec = space.decode(choices)
    assert again.measure(spec) == pytest.approx(table.measure(spec), rel=1e-5)
    assert 0 < table.measure(spec) < math.inf


def test_every_kind_of_piece_can_be_built():
  assert set(BUILDERS) == set(table_reader.KINDS)


def test_cache_model_is_recovered_from_synthetic_networks():
  sums = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
  sizes = [200, 500, 800, 1100, 1500, 2000]
  # Twice the sum, and 1e-4 ms for each kilobyte above 800.
  measured = [
    2 * total + 1e-4 * max(size - 800, 0) for total, size in zip(sums, sizes, strict=True)
  ]
  fitted = latency_table.fit_cache_model(sums, sizes, measured)
  assert fitted["scale"] == pytest.approx(2)
  assert fitted["spill_ms_per_kb"] == pytest.approx(1e-4)
  assert fitted["cache_kb"] == 800


def test_cache_model_never_pays_for_parameters():
  fitted = latency_table.fit_cache_model([1.0, 2.0, 3.0], [10, 20, 30], [1.0, 1.9, 2.7])
  assert fitted["spill_ms_per_kb"] >= 0 and fitted["scale"] > 0
