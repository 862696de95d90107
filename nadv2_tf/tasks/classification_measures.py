"""Accuracy of a classifier: top-1, top-5, per class."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Shares of right answers in [0, 1]; `per_class` by class index, None without examples.

  `top_5` is None for fewer than six classes, where it would say nothing.
  """

  examples: int
  accuracy: float
  top_5: float | None
  per_class: tuple[float | None, ...]

  @property
  def measures(self) -> dict[str, float]:
    """Nothing beside the accuracy stands in tables."""
    return {}


def evaluate_logits(logits: np.ndarray, labels: np.ndarray, classes: int) -> Evaluation:
  """`Evaluation` of logits, [examples, classes], against labels, [examples]."""
  # Ties go to the lower class, as argmax has it; NaN is never right.
  order = np.argsort(-logits, axis=-1, kind="stable")
  finite = np.isfinite(logits).all(axis=-1)
  right = (order[:, 0] == labels) & finite
  top_5 = (order[:, :5] == labels[:, None]).any(axis=-1) & finite
  return Evaluation(
    examples=len(labels),
    accuracy=float(right.mean()),
    top_5=float(top_5.mean()) if classes > 5 else None,
    per_class=tuple(
      float(right[labels == label].mean()) if (labels == label).any() else None
      for label in range(classes)
    ),
  )
