"""The records of a run's files: read and written byte for byte, wrong values named in one line."""

import json

import pytest

from nadv2_tf.pipeline.run_folder import records
from nadv2_tf.pipeline.run_folder.folder import RunFolder

# As a run writes it, with what only an own meter, several targets or a device bring; a key of a
# later version, and a network of an earlier one.
METRICS = {
  "range": {"measured_with": {"device": "host", "threads": 1}, "values": {"smallest": 1.0}},
  "targets": [
    {"folder": "target_50pct", "target": 2.5},
    {"folder": "target_1", "target": 1, "predicted": 1.0, "measured": None, "macs": 7},
  ],
  "seed": 0,
  "versions": {"python": "3.11.7", "tensorflow": None, "commit": "6386d35592e2"},
  "quality": "delta1",
  "seconds": {"table": 0.1, "train": 0.0, "search": 7},
  "of tomorrow": [1, {"x": None}],
  "networks": {
    "full": {},
    "found": {
      "holdout_accuracy_before": 0.4475,
      "begins_with": "full",
      "test_accuracy": 0.1 + 0.2,
      "measures": {"RMSE": 1e-07},
      "macs": 1408032,
      "peak_memory_bytes": 26624,
      "seconds": {"finetune": 6.9},
      "exports": {
        "int8": {
          "quantization": "int8",
          "largest_difference": 3.814697265625e-05,
          "top_1_agreement": None,
          "accuracy_lost": None,
          "fallback": {"CONV_2D": 2},
          "size_bytes": 1189114,
          "peak_memory_bytes": 27392,
          "test_accuracy": 0.46,
          "options": {"quantization": "int8"},
        }
      },
      "resource": 3.5,
      "timing": {"median_ms": 0.5, "repeats_ms": [0.5]},
      "latency_ms": 0.5,
    },
  },
  "confirmed": [
    {"iteration": 5, "predicted": 1.0, "measured": 1.1},
    {"iteration": "found", "predicted": 1.0, "measured": 1.1},
  ],
  "rounds": [
    {"round": 1, "target": 1.0, "predicted": 1.0, "measured": 1.1},
    {
      "round": 2,
      "journal": "search_2.jsonl",
      "target": 0.9,
      "predicted": 0.9,
      "holdout_accuracy": None,
      "widths": [8, 16],
      "measured": 1.0,
    },
  ],
  "holdout_accuracy_of_found_in_search": None,
  "found_in_round": 2,
  "metric": {"name": "latency_ms", "unit": "ms", "target": 1.0, "predicted": 0.9, "measured": None},
  "trust": {"networks": 2, "epochs": 1.5, "tau": None, "interval": None, "tau_of_resource": None},
}
TEXT = json.dumps(METRICS, indent=2) + "\n"


@pytest.fixture
def written(folder):
  folder.metrics_file.write_text(TEXT)
  return folder


def test_metrics_are_written_as_they_were_read(written):
  metrics = written.metrics()
  assert json.dumps(metrics.to_json(), indent=2) + "\n" == TEXT
  written.update_metrics()
  assert written.metrics_file.read_text() == TEXT
  written.update_metrics(**{name: getattr(metrics, name) for name in ("networks", "rounds")})
  assert written.metrics_file.read_text() == TEXT


def test_metrics_are_values_with_names(written):
  metrics = written.metrics()
  assert [one.folder for one in metrics.targets] == ["target_50pct", "target_1"]
  found = metrics.networks["found"]
  assert (found.macs, found.latency_ms, found.exports["int8"].size_bytes) == (1408032, 0.5, 1189114)
  figures = [found.figure(name) for name in ("peak_memory_bytes", "latency_ms", "timing", "none")]
  assert figures == [26624, 0.5, None, None]
  assert metrics.networks["full"] == records.NetworkMetrics()
  assert metrics.rounds[0].journal is None and metrics.rounds[1].widths == (8, 16)
  assert metrics.range_of("range").values == {"smallest": 1.0} and not metrics.range_of("none")
  assert metrics.metric.measured is None and metrics.trust.networks == 2


def test_a_run_that_has_just_begun_says_nothing(folder):
  metrics = folder.metrics()
  assert metrics == records.RunMetrics() and metrics.to_json() == {}
  assert (metrics.quality, metrics.found_in_round, metrics.targets) == ("accuracy", 1, ())


def test_updates_keep_the_order_of_their_keys(folder):
  folder.update_metrics(seed=1, quality="accuracy", metric=records.SearchedMetric(
    "macs", "MACs", 2.0, 1.0, None))  # fmt: skip
  folder.update_metrics(holdout_accuracy_of_found_in_search=None, seed=2)
  folder.update_network("found", own=1.5, macs=3)
  folder.update_network("found", latency_ms=0.5, macs=4)
  assert json.dumps(json.loads(folder.metrics_file.read_text())) == (
    '{"seed": 2, "quality": "accuracy", "metric": {"name": "macs", "unit": "MACs", "target": 2.0, '
    '"predicted": 1.0, "measured": null}, "seconds": {}, '
    '"holdout_accuracy_of_found_in_search": null, '
    '"networks": {"found": {"own": 1.5, "macs": 4, "latency_ms": 0.5}}}'
  )


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    ({"seed": "0"}, "seed must be a whole number or null, got '0'"),
    ({"networks": {"found": {"macs": 1.5}}}, "networks.found.macs must be a whole number or null"),
    ({"networks": []}, "networks must be an object, got []"),
    ({"metric": {"name": "macs", "unit": "MACs", "target": 1.0}}, "metric.predicted is missing"),
    ({"rounds": [METRICS["rounds"][0] | {"measured": None}]}, "rounds.1.measured must be a number"),
    ({"targets": [{"target": 1.0}]}, "targets.1.folder is missing"),
    ({"seconds": {"train": "1"}}, "seconds.train must be a number, got '1'"),
    ({"trust": METRICS["trust"] | {"interval": [1.0]}}, "trust.interval must be a list of 2"),
  ],
)
def test_a_wrong_value_is_named_with_its_file(written, changes, words):
  written.metrics_file.write_text(json.dumps(METRICS | changes))
  with pytest.raises(ValueError) as refusal:
    RunFolder(written.path).metrics()
  text = str(refusal.value)
  assert text.startswith(f"{written.metrics_file}: {words}") and "\n" not in text


def test_a_wrong_training_report_is_named(folder):
  folder.training_log.write_text('{"full network": [{"step": 1}], "setbacks": {"x": ["y"]}}')
  with pytest.raises(ValueError, match=r"training.json: full network: steps is missing"):
    folder.training_logs()


def test_trust_networks_there_and_back(folder):
  network = records.TrustNetwork((1, 2), "Recipe(...)", 12, 0.5, 3.0)
  folder.write_json(folder.trust, {"networks": [network]})
  assert folder.trust.read_text() == json.dumps(
    {
      "networks": [
        {
          "widths": [1, 2],
          "recipe": "Recipe(...)",
          "begins_with": 12,
          "test_accuracy": 0.5,
          "seconds": 3.0,
        }
      ]
    },
    indent=2,
  ) + "\n"  # fmt: skip
  assert folder.read_trust() == [network]
