"""Knowledge transfer along the trajectory: weights are trained and cut down step by step.

Source: NetAdaptV2, appendix A.2. Starts from the full network with the super-network's weights; the
best network of each iteration of the search takes the overlapping weights of the one before and is
trained for a few epochs; the found network takes those of the last.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from nadv2_tf.models import slice_network, stand_alone
from nadv2_tf.models.transfer import copy_overlap
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.search import journal
from nadv2_tf.search.entries import IterationEntry

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  import keras

  from nadv2_tf.models.super_network import SuperNetwork
  from nadv2_tf.options import FinetuneOptions, SearchOptions
  from nadv2_tf.spec import NetworkSpec, SearchSpace


def trajectory(folder: RunFolder, space: SearchSpace, found: NetworkSpec) -> list[NetworkSpec]:
  """The networks from the largest one to the found one, without the latter.

  Args:
    folder: the `RunFolder` of the found network, with the journals in it or above.
    space: the `SearchSpace`.
    found: the `NetworkSpec` that the search ended with.

  Returns:
    A list of `NetworkSpec`: the largest, then the best of each iteration up to the found one.

  Raises:
    ValueError: if the journal does not lead to `found`.
  """
  journals = folder if folder.journal.exists() else RunFolder(folder.path.parent)
  number = folder.metrics().found_in_round
  path = journals.need(journals.journal_of(number), "nadv2-search")
  entries = journal.read(path)
  goal, rows = space.encode(found), [space.encode(space.largest())]
  for entry in entries:
    if isinstance(entry, IterationEntry) and rows[-1] != goal:
      rows += [entry.widths] if entry.widths != rows[-1] else []
  steps = itertools.pairwise(rows)
  if goal not in rows or any(
    a < b for one, other in steps for a, b in zip(one, other, strict=True)
  ):
    raise ValueError(
      f"--transfer=trajectory: the iterations in {path} do not lead to {found.name!r}; it is for "
      "searches that go from one network to the next (--search_optimizer=mcd or scd)."
    )
  return [space.decode(row) for row in rows[: rows.index(goal)]]


def check(finetune_options: FinetuneOptions, search_options: SearchOptions) -> None:
  """Raises ValueError for a transfer along a trajectory that the search does not make."""
  optimizer = search_options.search_optimizer
  if finetune_options.transfer == "trajectory" and optimizer not in ("mcd", "scd"):
    raise ValueError(
      "--transfer=trajectory is for searches that go from one network to the next, "
      f"--search_optimizer=mcd or scd; got {optimizer}."
    )


def walk(
  super_model: SuperNetwork,
  path: Sequence[NetworkSpec],
  found: NetworkSpec,
  train: Callable[[keras.Model, str], None],
) -> keras.Model:
  """The found network with the weights of the trajectory.

  Args:
    super_model: the trained super-network.
    path: of `trajectory`.
    found: the `NetworkSpec` to end with.
    train: function (model, title) that trains a network of the path in place.

  Returns:
    A plain Keras model.
  """
  model = slice_network(super_model, path[0]) if path else slice_network(super_model, found)
  for step, spec in enumerate([*path[1:], *([found] if path else [])], start=1):
    train(model, f"transfer {step} of {len(path)}")
    model = cut_down(model, spec)
  return model


def cut_down(model: keras.Model, spec: NetworkSpec) -> keras.Model:
  """A plain Keras model of `spec` with what it has in common with the larger network `model`."""
  smaller = stand_alone(spec)
  copy_overlap(model, smaller)
  return smaller
