"""What a study's run takes over from another one."""

import pytest

from nadv2_tf.benchmarks.studies import begun
from nadv2_tf.pipeline.run_folder.folder import RunFolder

GROUPS = {"network": {"seed": 0}, "train": {"epochs": 0.0, "batch_size": 8}, "finetune": {}}


@pytest.fixture
def first(tmp_path):
  folder = RunFolder(tmp_path / "none_0").open()
  folder.write_json(folder.settings_file, GROUPS | {"search": {"target": "50%"}})
  folder.keras("full").write_bytes(b"weights")
  folder.spec("full").write_text("{}")
  folder.latency_table.write_text("rows")
  folder.super_weights.write_bytes(b"of no epochs")
  folder.update_network("full", test_accuracy=0.5)
  folder.update_metrics(seconds={"full": 3, "train": 0}, samples_scored=7)
  return folder


@pytest.mark.parametrize("has_table", [False, True])
def test_a_run_begins_with_the_full_network_of_another(first, tmp_path, has_table):
  place = RunFolder(tmp_path / "whole_0")
  begun.begin(place, first, {"train": {"epochs": 2.0}}, has_table)
  assert place.settings() == GROUPS | {"train": {"epochs": 2.0, "batch_size": 8}}
  assert first.settings()["train"]["epochs"] == 0
  assert place.keras("full").read_bytes() == b"weights" and not place.super_weights.exists()
  assert place.latency_table.exists() == has_table
  metrics = place.metrics()
  assert metrics.seconds == {"full": 3} and metrics.samples_scored == 0
  assert metrics.networks["full"].test_accuracy == 0.5
  assert [path.name for path in tmp_path.iterdir() if path.name.startswith("new_")] == []
