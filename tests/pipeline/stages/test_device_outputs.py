"""The end of a run: whether the device computes the found network as this machine does."""

import io
import types

import numpy as np
import pytest

from nadv2_tf.benchmarks.timing.errors import BinaryError
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.stages import device_outputs


@pytest.fixture
def bench():
  """What the stage takes of a workbench: hold-out images."""
  images = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 1)).astype(np.float32)
  holdout = types.SimpleNamespace(
    take=lambda places: types.SimpleNamespace(inputs=lambda: images[places])
  )
  return types.SimpleNamespace(given=None, datasets=types.SimpleNamespace(holdout=holdout))


@pytest.fixture(scope="module")
def content(tiny_space):
  from nadv2_tf.benchmarks.tables.networks import network_file

  return network_file(tiny_space.largest())


def outputs_of(content, inputs):
  from nadv2_tf.export.tflite import interpreter

  made, outputs = interpreter(content), []
  for image in inputs:
    made.set_tensor(
      made.get_input_details()[0]["index"], np.frombuffer(image, np.float32).reshape(1, 8, 8, 1)
    )
    made.invoke()
    outputs.append(made.get_tensor(made.get_output_details()[0]["index"]))
  return outputs


@pytest.mark.parametrize("kind", ["right", "wrong", "unable"])
def test_the_found_network_is_compared_on_the_device(
  folder, plug_in, options, bench, content, kind
):
  device, stream, seen = plug_in(), io.StringIO(), []

  def raw_outputs(path, inputs, tensors, settings):
    seen.append((len(inputs), tensors.input_shape, settings.delegate))
    if kind == "unable":
      raise BinaryError("This build cannot.")
    outputs = outputs_of(content, inputs)
    return [(one[:, ::-1] if kind == "wrong" else one).tobytes() for one in outputs], ("a note",)

  device.raw_outputs = raw_outputs
  folder.tflite("found").write_bytes(content)
  device_outputs.check_found(bench, folder, options(delegate="gpu"), Progress(stream))
  assert seen == [(8, (1, 8, 8, 1), "gpu")]
  record, said = folder.network_metrics("found").outputs, stream.getvalue()
  if kind == "unable":
    assert record == {"unchecked": "This build cannot."} and "were not checked" in said
    return
  assert record["agrees"] == (kind == "right") and record["images"] == 8
  assert ("WRONG NUMBERS: with the delegate gpu" in said) == (kind == "wrong")
  assert "a note" in said


def test_who_does_not_ask_is_not_told(folder, plug_in, options, bench):
  device = plug_in()
  device.raw_outputs = None
  for given in (options(check_outputs=False), options(device="table:pixel1.json")):
    device_outputs.check_found(bench, folder, given, Progress(io.StringIO()))
  assert folder.metrics().to_json() == {}
