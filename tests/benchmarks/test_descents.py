"""The study of how coordinate descent shrinks and chooses: what is asked for, its table by hand."""

import pytest

from nadv2_tf.benchmarks.studies import descents
from nadv2_tf.search import MultiLayerCoordinateDescent, SingleLayerCoordinateDescent


def test_a_search_is_an_optimizer_with_settings():
  assert descents.optimizer_of("mcd") == MultiLayerCoordinateDescent()
  text = "mcd,layers_per_sample=10,choose_by=accuracy,initial_reduction=0.1"
  expected = MultiLayerCoordinateDescent(24, 10, 0.1, choose_by="accuracy")
  assert descents.optimizer_of(text) == expected
  assert descents.optimizer_of("scd,reduction_decay=1") == SingleLayerCoordinateDescent(0.05, 1.0)
  with pytest.raises(ValueError, match="mcd has samples_per_iteration, .*, and no 'layers'"):
    descents.optimizer_of("mcd,layers=3")
  with pytest.raises(ValueError, match="Unknown optimizer 'nothing'"):
    descents.optimizer_of("nothing")


def test_the_table():
  def network(before, after):
    return {"before": before, "after": after, "macs": 1_500_000}

  results = {
    "mcd": {"samples": 90, "seconds": 12.3, "networks": [network(0.6, 0.7), network(0.5, 0.68)]},
    "scd": {"samples": 30, "seconds": 4.0, "networks": [network(0.6, None), network(0.4, None)]},
  }
  _, head, mcd, scd = descents.lines(results, [0.6, 0.4])
  assert "0.6: before" in head and "0.4: before" in head
  cells = ["60.0", "70.0", "1.50", "50.0", "68.0", "1.50", "55.0", "69.0"]
  assert mcd.split() == ["mcd", "90", "12", *cells]
  assert scd.split() == ["scd", "30", "4", "60.0", "-", "1.50", "40.0", "-", "1.50", "50.0", "-"]
