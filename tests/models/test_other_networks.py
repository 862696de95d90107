"""Networks of other people's kinds as plain Keras models: saved files, and layers by hand."""

import keras
import numpy as np
import other_networks
import pytest

from nadv2_tf import export
from nadv2_tf.models import slice_network, stand_alone, super_network
from nadv2_tf.models.stochastic_depth import branch_rates
from nadv2_tf.spec import NetworkSpec, Skip, space_of
from nadv2_tf.spec.blocks import Conv, GlobalPool, Norm, Pool, Rescale, Residual

NETWORKS = other_networks.NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_file_needs_nothing_of_this_package(name, randomise, tmp_path):
  model = randomise(stand_alone(NETWORKS[name]), seed=1, shift=0.3)
  model.save(tmp_path / "network.keras")
  loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
  assert {type(layer).__module__.partition(".")[0] for layer in loaded._flatten_layers()} == {
    "keras"
  }
  images = np.random.default_rng(2).normal(size=(2, *other_networks.SHAPE)).astype(np.float32)
  np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_tflite_file_gives_the_same(name, randomise, tmp_path, relative_gap):
  space = space_of(NETWORKS[name], levels=4)
  model = randomise(super_network(space), seed=1, shift=0.3)
  images = np.random.default_rng(2).normal(size=(3, *other_networks.SHAPE)).astype(np.float32)
  middle = space.decode(tuple(one.choices[len(one.choices) // 2] for one in space.decisions))
  for spec in (space.largest(), middle):
    sliced = slice_network(model, spec)
    export.to_tflite(sliced, tmp_path / "network.tflite")
    found = export.predictor(tmp_path / "network.tflite")(images)
    assert relative_gap(found, sliced(images)) <= 1e-4


def _outputs(*blocks, images):
  return np.asarray(stand_alone(NetworkSpec("n", images.shape[1:], blocks))(images))


def test_pixels_outside_count_where_there_is_padding_and_only_there():
  images = np.full((1, 4, 4, 2), -6.0, np.float32)
  # Windows of 3x3 see 4 pixels at corners, 6 at edges, 9 within.
  same = _outputs(Pool("average", 3, 1), images=images)
  np.testing.assert_allclose(same, images, rtol=1e-6)
  padded = _outputs(Pool("average", 3, 1, (1, 1)), images=images)
  np.testing.assert_allclose(padded[0, :2, :2, 0], -6 * np.array([[4, 6], [6, 9]]) / 9, rtol=1e-6)
  np.testing.assert_array_equal(_outputs(Pool("max", 3, 1), images=images), images)
  zeros = _outputs(Pool("max", 3, 1, (1, 1)), images=images)[0, :2, :2, 0]
  np.testing.assert_array_equal(zeros, [[0, 0], [0, -6]])


def test_images_are_rescaled_channel_by_channel():
  images = np.ones((1, 2, 2, 3), np.float32)
  rescaled = _outputs(Rescale((1, 2, 3), (0.5, -1, 0)), images=images)
  np.testing.assert_array_equal(rescaled[0, 0, 0], [1.5, 1, 3])
  assert not stand_alone(NetworkSpec("n", (2, 2, 3), (Rescale((2,), (1,)),))).weights


def test_padding_says_where_a_kernel_lies():
  images = np.zeros((1, 4, 4, 1), np.float32)
  images[0, 1, 1] = 1
  for padding, place in ((0, 1), (0, 0)), ((1, 0), (1, 1)):
    spec = NetworkSpec("n", (4, 4, 1), (Conv(1, 2, 1, "linear", 0, False, padding),))
    model = stand_alone(spec)
    model.set_weights([np.array([[1, 2], [3, 4]], np.float32)[:, :, None, None], np.zeros(1)])
    found = np.asarray(model(images))[0, :, :, 0]
    row, column = place
    np.testing.assert_array_equal(
      found[row : row + 2, column : column + 2], [[4, 3], [2, 1]], err_msg=str(padding)
    )
    assert found.sum() == 10


def test_several_additions_in_one_block():
  """A residual and two skips, in the super-network as in the plain one."""
  blocks = (Conv(4), Conv(6), Residual(4, 4), Norm(), GlobalPool())
  network = NetworkSpec("n", (8, 8, 3), blocks, (Skip(0, 2), Skip(1, 2)))
  space = space_of(network, 2)
  model, images = super_network(space), np.ones((1, 8, 8, 3), np.float32)
  names = {layer.name for layer in stand_alone(network).layers}
  assert {"block03_add", "block03_add_2", "block03_add_3"} <= names
  masked = model([images, np.array([space.encode(network)], np.int32)])
  np.testing.assert_allclose(masked, slice_network(model, network)(images), atol=1e-5)


def test_stochastic_depth_takes_every_kind_of_residual_block():
  # Blocks 4 to 8 of the residual network; 3, 5, 6 and 7 of the other one.
  np.testing.assert_allclose(
    [branch_rates(NETWORKS["resnet"], 0.5)[index] for index in (3, 4, 5, 6, 7)],
    [0.1, 0.2, 0.3, 0.4, 0.5],
  )
  assert list(branch_rates(NETWORKS["universal"], 0.4)) == [2, 4, 5, 6]
