"""What each option of a block brings in accuracy, if what the blocks bring adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.spec.sums import total

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import TypeAlias

  import numpy as np

  from nadv2_tf.search.chain import Picks
  from nadv2_tf.search.choices import BlockChoices

  #: for each block one number for each of its options
  Gains: TypeAlias = tuple[tuple[float, ...], ...]

#: of the regression; its targets have a spread of 1
REGULARIZATION, TOLERANCE = 10.0, 0.05


def sum_of(gains: Gains, picks: Picks) -> float:
  """What the picked options bring together."""
  return total(block[pick] for block, pick in zip(gains, picks, strict=True))


def one_at_a_time(blocks: Sequence[BlockChoices]) -> tuple[Picks, ...]:
  """The full network, and each network in which one block has another option."""
  full = tuple(len(block.choices) - 1 for block in blocks)
  return (
    full,
    *(
      (*full[:number], option, *full[number + 1 :])
      for number, last in enumerate(full)
      for option in range(last)
    ),
  )


def measured(blocks: Sequence[BlockChoices], accuracies: Mapping[Picks, float]) -> Gains:
  """The gains that the networks of `one_at_a_time` tell: what each lost against the full one."""
  full, *others = one_at_a_time(blocks)
  lost = iter(accuracies[picks] - accuracies[full] for picks in others)
  return tuple((*(next(lost) for _ in block.choices[:-1]), 0.0) for block in blocks)


def nothing(blocks: Sequence[BlockChoices]) -> Gains:
  """The gains where nothing is known: all 0."""
  return tuple((0.0,) * len(block.choices) for block in blocks)


def corrected(
  blocks: Sequence[BlockChoices], gains: Gains, accuracies: Mapping[Picks, float]
) -> Gains:
  """`gains`, and what a linear support vector regression finds in that they do not explain.

  An option is described by itself, and by the levels and kernel sizes that it reaches, so that
  neighbouring ones share what was seen of either.

  Args:
    blocks: the options.
    gains: what is known of them; see `nothing`.
    accuracies: of networks that were scored, at least one.

  Source: HAO predicts accuracies by support vector regression on the choices of all blocks.
  """
  import numpy as np
  from sklearn.svm import SVR

  described = [_described(block) for block in blocks]
  rows = np.array(
    [
      np.concatenate([block[pick] for block, pick in zip(described, picks, strict=True)])
      for picks in accuracies
    ]
  )
  left = np.array([value - sum_of(gains, picks) for picks, value in accuracies.items()])
  spread = left.std()
  if not spread > 1e-9:
    return gains  # they explain everything
  fit = SVR(kernel="linear", C=REGULARIZATION, epsilon=TOLERANCE)
  fit.fit(rows, (left - left.mean()) / spread)
  start, found = 0, []
  for block, known in zip(described, gains, strict=True):
    slopes = fit.coef_[0, start : (start := start + block.shape[1])]
    found.append(tuple(float(gain) for gain in known + spread * (block @ slopes)))
  return tuple(found)


def _described(block: BlockChoices) -> np.ndarray:
  """[options, features]: 1 for the option, and for each level and kernel size that it reaches."""
  import numpy as np

  levels = sorted({choice.level for choice in block.choices})[1:]
  kernels = sorted({choice.kernel for choice in block.choices if choice.kernel})[1:]
  reached = [
    [choice.level >= level for level in levels]
    + [(choice.kernel or 0) >= kernel for kernel in kernels]
    for choice in block.choices
  ]
  return np.concatenate([np.eye(len(block.choices)), np.array(reached, float)], axis=1)
