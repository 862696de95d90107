"""A multi-layer regressor: from a list of numbers to one, and how it changes with each of them.

scikit-learn fits it; what is fitted runs with NumPy alone, and both are loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import Self

  from numpy.typing import ArrayLike

#: weights of the direct part that are tried: from hardly any shrinking to hardly any effect
RIDGES = tuple(10.0**power for power in range(-3, 5))
#: a share of the examples tells when to stop, and so many rounds without a better one are waited
STOPPING_SHARE, PATIENCE = 0.1, 8
#: below this many examples a share of them tells nothing
FEWEST_TO_STOP = 200


class Regressor:
  """Layers of products and rectifiers, the last without; and beside them a direct product.

  Args:
    layers: pairs (weights [inputs, outputs], biases [outputs]); the last has one output.
    direct: a weight for each input, added to the output; None: all 0.

  Raises:
    ValueError: if the sizes do not fit each other, or a number is not finite.
  """

  def __init__(
    self,
    layers: Sequence[tuple[ArrayLike, ArrayLike]],
    direct: ArrayLike | None = None,
  ) -> None:
    import numpy as np

    self.layers: list[tuple[Any, Any]] = [
      (np.asarray(weights, float), np.asarray(biases, float)) for weights, biases in layers
    ]
    self._check()
    width = self.layers[0][0].shape[0]
    self.direct: Any = np.zeros(width) if direct is None else np.asarray(direct, float)
    if self.direct.shape != (width,):
      raise ValueError(
        f"The direct weights must be {width}, as the inputs; got {self.direct.shape}."
      )
    if not all(np.isfinite(part).all() for part in (self.direct, *sum(self.layers, ()))):
      raise ValueError("The weights of a regressor must be finite numbers.")

  def _check(self) -> None:
    if not self.layers:
      raise ValueError("A regressor must have a layer.")
    before = None
    for number, (weights, biases) in enumerate(self.layers, start=1):
      fits = weights.ndim == 2 and biases.shape == weights.shape[1:] and weights.size
      if not fits or (before is not None and weights.shape[0] != before):
        raise ValueError(
          f"Layer {number} of a regressor must have weights [inputs, outputs] and a bias for each "
          f"output, its inputs the outputs before; got {weights.shape} and {biases.shape}."
        )
      before = weights.shape[1]
    if before != 1:
      raise ValueError(f"The last layer of a regressor must have one output, got {before}.")

  @property
  def inputs(self) -> int:
    """How many numbers it takes."""
    return len(self.direct)

  def values(self, rows: ArrayLike) -> Any:
    """The outputs [rows] for rows [rows, inputs]."""
    import numpy as np

    features = hidden = np.asarray(rows, float)
    for weights, biases in self.layers[:-1]:
      hidden = np.maximum(hidden @ weights + biases, 0.0)
    weights, biases = self.layers[-1]
    return (hidden @ weights + biases)[:, 0] + features @ self.direct

  def value(self, row: ArrayLike) -> float:
    """The output for one row."""
    rows: Any = [row]
    return float(self.values(rows)[0])

  def slope(self, row: ArrayLike) -> Any:
    """The derivative of the output with respect to each number of `row`, [inputs]."""
    import numpy as np

    hidden, masks = np.asarray(row, float), []
    for weights, biases in self.layers[:-1]:
      hidden = hidden @ weights + biases
      masks.append(hidden > 0)
      hidden = np.maximum(hidden, 0.0)
    slope = self.layers[-1][0][:, 0]
    for (weights, _), mask in zip(reversed(self.layers[:-1]), reversed(masks), strict=True):
      slope = weights @ (slope * mask)
    return slope + self.direct

  def corrected(self, rows: ArrayLike, targets: ArrayLike) -> Self:
    """The same with a direct part that brings its outputs for `rows` nearer to `targets`.

    What is left over is fitted by ridge regression, whose penalty leave-one-out errors choose.
    """
    import numpy as np
    from sklearn.linear_model import RidgeCV

    rows = np.asarray(rows, float)
    fitted = RidgeCV(alphas=RIDGES).fit(rows, np.asarray(targets, float) - self.values(rows))
    weights, biases = self.layers[-1]
    layers = [*self.layers[:-1], (weights, biases + fitted.intercept_)]
    return type(self)(layers, self.direct + fitted.coef_)


def fitted(
  rows: ArrayLike,
  targets: ArrayLike,
  hidden: Sequence[int] = (128, 64),
  seed: int = 0,
  rounds: int = 100,
) -> Regressor:
  """A `Regressor` with the least squared error on examples.

  Args:
    rows: [examples, inputs].
    targets: [examples].
    hidden: outputs of the hidden layers.
    seed: of the first weights and of the order of the examples.
    rounds: how often all examples are gone through at most; fewer where examples that are kept
      back are predicted no better.

  Returns:
    The regressor; that inputs and targets were brought to one scale is part of its weights.
  """
  import warnings

  import numpy as np
  from sklearn.exceptions import ConvergenceWarning
  from sklearn.neural_network import MLPRegressor

  rows, targets = np.asarray(rows, float), np.asarray(targets, float)
  mean, spread = rows.mean(axis=0), _spread(rows)
  middle, scale = targets.mean(), _spread(targets[:, None])[0]
  model = MLPRegressor(
    hidden_layer_sizes=tuple(hidden),
    random_state=seed,
    max_iter=rounds,
    early_stopping=len(rows) >= FEWEST_TO_STOP,
    validation_fraction=STOPPING_SHARE,
    n_iter_no_change=PATIENCE,
    tol=0.0,
  )
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # `rounds` are all there shall be
    model.fit((rows - mean) / spread, (targets - middle) / scale)
  layers = list(zip(model.coefs_, model.intercepts_, strict=True))
  weights, biases = layers[0]
  layers[0] = weights / spread[:, None], biases - (mean / spread) @ weights
  weights, biases = layers[-1]
  layers[-1] = weights * scale, biases * scale + middle
  return Regressor(layers)


def _spread(columns: Any) -> Any:
  """Standard deviations, 1 where a column is constant."""
  spread = columns.std(axis=0)
  spread[spread == 0] = 1.0
  return spread
