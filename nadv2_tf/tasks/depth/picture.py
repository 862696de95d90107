"""Image, measured depth, predicted depth and error side by side, in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  from collections.abc import Callable

  from matplotlib.figure import Figure

  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath

ROWS = 5
#: colours that grow evenly lighter, for depth and for error; grey is where there is no depth
DEPTH_COLOURS, ERROR_COLOURS, NO_DEPTH = "viridis", "magma", "0.6"


def draw(
  predict: Callable[[np.ndarray], np.ndarray], examples: Examples | StreamedExamples, path: AnyPath
) -> None:
  """Writes the picture of `figure_of` to `path`, a .png file."""
  figure_of(predict, examples).savefig(path)


def figure_of(
  predict: Callable[[np.ndarray], np.ndarray], examples: Examples | StreamedExamples
) -> Figure:
  """The picture as a Matplotlib figure.

  Args:
    predict: function from images, float32 [batch, height, width, channels], to metres.
    examples: `Examples`; some, evenly spaced, are shown.
  """
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  chosen = examples.take(np.linspace(0, len(examples) - 1, min(ROWS, len(examples))).astype(int))
  predicted = np.asarray(predict(chosen.inputs()))[..., 0]
  truth = np.where(chosen.labels > 0, chosen.labels, np.nan)[..., 0].astype(np.float32)
  figure = Figure(figsize=(10.0, 1.9 * len(chosen) + 1.1), dpi=110, layout="constrained")
  FigureCanvasAgg(figure)
  axes = figure.subplots(len(chosen), 4, squeeze=False)
  error = np.abs(predicted - truth)
  depths = {"cmap": _colours(DEPTH_COLOURS), "vmin": 0.0, "vmax": float(np.nanmax(truth))}
  errors = {"cmap": _colours(ERROR_COLOURS), "vmin": 0.0}
  errors["vmax"] = max(float(np.nanpercentile(error, 99)), 0.01)
  for row, (cells, image) in enumerate(zip(axes, chosen.images, strict=True)):
    shape = {"aspect": 3 / 4}  # the squares were 4:3
    cells[0].imshow(image, **shape)
    of_depth = cells[1].imshow(truth[row], **depths, **shape)
    cells[2].imshow(predicted[row], **depths, **shape)
    of_error = cells[3].imshow(error[row], **errors, **shape)
    cells[3].set_xlabel(f"mean error {np.nanmean(error[row]):.2f} m", fontsize=8)
  for cells in axes:
    for cell in cells:
      cell.set_xticks([])
      cell.set_yticks([])
  for cell, title in zip(axes[0], ("image", "measured", "predicted", "error"), strict=True):
    cell.set_title(title, fontsize=10)
  figure.colorbar(of_depth, ax=axes[:, :3], location="bottom", label="depth (m)", aspect=50)
  figure.colorbar(of_error, ax=axes[:, 3], location="bottom", label="error (m)", aspect=16)
  return figure


def _colours(name):
  import matplotlib

  return matplotlib.colormaps[name].with_extremes(bad=NO_DEPTH)
