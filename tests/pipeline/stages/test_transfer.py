"""Transfer along the trajectory: its steps come from the journal, and each is trained."""

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.models import super_network
from nadv2_tf.options import FinetuneOptions
from nadv2_tf.pipeline.stages import transfer
from nadv2_tf.search.entries import IterationEntry, SampleEntry
from nadv2_tf.search.journal import Journal


@pytest.fixture(scope="module")
def space():
  return backbones.search_space("mobilenet_v1", input_shape=(32, 32, 3), classes=3)


def shrunk(space, steps):
  """Networks that each lack a grid step of one more decision than the one before."""
  specs = [space.largest()]
  for column in range(1, steps + 1):
    specs.append(space.shrink(specs[-1], column))
  return specs


def write_journal(path, space, specs):
  with Journal(path) as record:
    for number, spec in enumerate(specs, start=1):
      record.write(SampleEntry(number, space.encode(space.smallest()), 0.5, 1.0))
      record.write(IterationEntry(number, space.encode(spec), 0.5, 1.0, 1, number))


def test_trajectory_ends_before_the_found_network(folder, space):
  largest, *path = shrunk(space, 4)
  write_journal(folder.journal, space, path)
  assert transfer.trajectory(folder, space, path[-1]) == [largest, *path[:-1]]
  assert transfer.trajectory(folder, space, path[1]) == [largest, path[0]]
  assert transfer.trajectory(folder, space, largest) == []


def test_trajectory_of_the_round_that_found_it(folder, space):
  _, first, second, third = shrunk(space, 3)
  write_journal(folder.journal, space, [first, second])
  write_journal(folder.journal_of(2), space, [second, third])
  folder.update_metrics(found_in_round=2)
  assert transfer.trajectory(folder, space, third) == [space.largest(), second]


def test_one_of_several_targets_reads_the_journal_of_the_run(folder, space):
  _, first, second = shrunk(space, 2)
  write_journal(folder.journal, space, [first, second])
  there = type(folder)(folder.path / "target_50pct")
  assert transfer.trajectory(there, space, second) == [space.largest(), first]


@pytest.mark.parametrize("order", [(1, 2), (2, 1, 3)], ids=["not there", "not downhill"])
def test_a_search_that_jumps_has_no_trajectory(folder, space, order):
  specs = shrunk(space, 3)
  write_journal(folder.journal, space, [specs[index] for index in order])
  with pytest.raises(ValueError, match="--transfer=trajectory: the iterations .* do not lead to"):
    transfer.trajectory(folder, space, specs[3])


def test_walk_hands_trained_weights_on(space, randomise):
  """What training adds to the first kernel is still there at the end, once for each step."""
  model = randomise(super_network(space), seed=1)
  *path, found = shrunk(space, 3)
  titles = []

  def train(network, title):
    titles.append((title, sum(np.prod(w.shape) for w in network.trainable_weights)))
    kernel = network.get_layer("block01_filters").kernel
    kernel.assign(kernel + 1.0)

  result = transfer.walk(model, path, found, train)
  assert [title for title, _ in titles] == [f"transfer {step} of 3" for step in (1, 2, 3)]
  assert [parameters for _, parameters in titles] == [spec.parameters() for spec in path]
  kernel = np.asarray(model.get_layer("block01_filters").kernel)
  kept = found.blocks[0].filters
  np.testing.assert_allclose(
    result.get_layer("block01_filters").get_weights()[0], kernel[..., :kept] + 3.0, atol=1e-5
  )
  parameters = sum(np.prod(w.shape) for w in result.trainable_weights)
  assert parameters == found.parameters()


def test_a_found_network_that_is_the_full_one_needs_no_walk(space, randomise):
  model = randomise(super_network(space), seed=1)
  result = transfer.walk(model, [], space.largest(), lambda *unused: pytest.fail("trained"))
  np.testing.assert_array_equal(
    result.get_layer("block01_filters").get_weights()[0], model.get_layer("block01_filters").kernel
  )


def test_transfer_needs_a_search_that_goes_downhill(options):
  search = options("macs", search_optimizer="random")
  transfer.check(FinetuneOptions(1, 1e-3), search)
  with pytest.raises(ValueError, match="--search_optimizer=mcd or scd; got random"):
    transfer.check(FinetuneOptions(1, 1e-3, "trajectory"), search)
