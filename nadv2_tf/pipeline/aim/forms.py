"""The form in which networks of a finished run are exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.options import SearchOptions
from nadv2_tf.options.timing import device_names
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.search.forms import fastest_form_of

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.spec import NetworkSpec, SearchSpace


def fastest_form(
  folder: RunFolder, space: SearchSpace, progress: Progress
) -> Callable[[NetworkSpec], NetworkSpec]:
  """What networks of a finished run are exported as, see `spec/forms.py`.

  Without the table that the run searched with they are exported as they are, and that is said.
  """
  options = folder.options("search", SearchOptions)
  metric = metric_of(options)
  has_limits = bool(options.limit) or len(device_names(options.device)) > 1
  if metric.count is not None or has_limits:
    return fastest_form_of(None)
  try:
    return fastest_form_of(metric.meter(space, folder))
  except (OSError, ValueError) as error:
    progress.line(f"bypasses are exported as they are: {error}")
    return fastest_form_of(None)
