"""Hand-made metrics and networks, and a parser of what the report writes."""

import copy
import xml.etree.ElementTree as ElementTree

import pytest

from nadv2_tf.spec import NetworkSpec
from nadv2_tf.spec.blocks import Conv, DepthwiseSeparable, Head

METRICS = {
  "quality": "accuracy",
  "metric": {
    "name": "macs",
    "unit": "MACs",
    "target": 12345.0,
    "predicted": 12000.0,
    "measured": 12000.0,
  },
  "samples_scored": 40,
  "iterations": 5,
  "seconds": {"full": 10.0, "train": 20.4, "search": 30.6},
  "networks": {
    "found": {
      "macs": 12000,
      "parameters": 1234567,
      "latency_ms": 1.23456,
      "test_accuracy": 0.87654,
      "test_accuracy_tflite": 0.87,
      "seconds": {"finetune": 5.0},
    },
    "full": {"macs": 24000, "parameters": 2000000, "test_accuracy": 0.9},
  },
}


@pytest.fixture
def metrics():
  """Metrics of a run with one target, which a test may change."""
  return copy.deepcopy(METRICS)


@pytest.fixture
def targets(metrics):
  """The same with two targets, as `report.overview` gives them."""
  metric, found = metrics.pop("metric"), metrics["networks"].pop("found")
  parts = {
    name: {"metric": metric | {"target": target, "measured": None}}
    for name, target in (("target_70pct", 16000.0), ("target_40pct", 9000.0))
  }
  metrics["networks"] |= {f"{name}/found": found for name in parts}
  return metrics | {"by_target": parts}


@pytest.fixture(scope="session")
def largest():
  """8 filters of stride 2, 8 -> 16 channels of 5x5, 16 -> 16 of 3x3, 3 classes; 8x8 images."""
  blocks = (
    Conv(8, 3, 2, bypass_cap=4),
    DepthwiseSeparable(8, 16, 5, bypass_cap=4),
    DepthwiseSeparable(16, 16, 3, bypass_cap=4),
    Head(3),
  )
  return NetworkSpec("net", (8, 8, 1), blocks)


@pytest.fixture(scope="session")
def found(largest):
  """Six filters, a kernel of 3x3, and the third block removed."""
  return (
    largest.with_block(0, filters=6)
    .with_block(1, kernel=3, pointwise=12)
    .with_block(2, depthwise=0, pointwise=0)
  )


@pytest.fixture(scope="session")
def parse():
  """Function (markup) -> its root element; fails if it is not well-formed."""
  return lambda markup: ElementTree.fromstring(f"<root>{markup}</root>")
