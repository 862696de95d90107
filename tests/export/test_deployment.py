"""An export from beginning to end: the file, the gate's figures, what people are told."""

import json

import pytest

from nadv2_tf.export import ParityError, deployment, predictor
from nadv2_tf.export.deployment import Evidence
from nadv2_tf.options import ExportOptions


@pytest.fixture
def evidence(examples):
  right = lambda outputs: float((outputs.argmax(-1) == examples.labels).mean())  # noqa: E731
  return Evidence(examples.inputs(), right, examples)


@pytest.mark.parametrize("mode", ["none", "int8_qat"])
def test_a_file_and_its_record(network, spec, evidence, tmp_path, mode):
  options = ExportOptions(mode, qat_epochs=0.1, max_accuracy_drop=30)
  path = tmp_path / "net.tflite"
  record = deployment.export(network, path, options, evidence, None, spec)
  assert predictor(path)(evidence.images[:2]).shape == (2, 3)
  assert record["images"] == 96 and record["size_bytes"] == path.stat().st_size
  assert record["accuracy_lost"] == pytest.approx(
    100 * (record["accuracy_keras"] - record["accuracy_file"])
  )
  assert json.loads(json.dumps(record)) == record
  told = "\n".join(deployment.sentences(path, record))
  for words in ("bytes, " + mode, "against Keras on 96 images", "points lost", "CONV_2D"):
    assert words in told


def test_accuracy_that_is_lost_shuts_the_gate(network, spec, evidence, tmp_path):
  """Labels that only the Keras network gives: whatever the file answers otherwise is a loss."""
  own = network(evidence.images, training=False).numpy().argmax(-1)
  calls = []

  def quality(outputs):
    calls.append(len(outputs))
    return 1.0 if len(calls) == 1 else float((outputs.argmax(-1) == own).mean()) - 0.05

  strict = Evidence(evidence.images, quality, evidence.train)
  path = tmp_path / "net.tflite"
  with pytest.raises(ParityError, match=r"points of accuracy are lost.*Layers that differ most"):
    deployment.export(network, path, ExportOptions(max_accuracy_drop=1), strict, None, spec)
  assert not path.exists()


def test_noise_stands_in_where_there_are_no_images(network, tmp_path):
  evidence = deployment.random_evidence(network)
  record = deployment.export(network, tmp_path / "a.tflite", ExportOptions(), evidence, None)
  assert record["accuracy_lost"] is None and record["images"] == 64
  with pytest.raises(ValueError, match="needs training images"):
    deployment.export(network, tmp_path / "b.tflite", ExportOptions("int8"), evidence, None)
