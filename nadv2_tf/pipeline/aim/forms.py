"""The form of networks that a search measures and a run exports (`spec/forms.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.options import SearchOptions
from nadv2_tf.pipeline.aim.limits import has_limits
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.search.forms import FormingMeter, fastest_form_of

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.pipeline.aim.metric import Metric
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search import ResourceMeter
  from nadv2_tf.spec import NetworkSpec, SearchSpace


def meter_of(
  metric: Metric, options: SearchOptions, space: SearchSpace, folder: RunFolder
) -> ResourceMeter:
  """The metric's meter, of networks in the form in which they will be exported.

  Where the search has limits that is the form of their specs: filters in place of bypasses would
  raise what is limited, and several devices share one file.
  """
  meter = metric.meter(space, folder)
  if has_limits(options) and isinstance(meter, FormingMeter):
    return meter.as_it_is()
  return meter


def fastest_form(
  folder: RunFolder, space: SearchSpace, progress: Progress
) -> Callable[[NetworkSpec], NetworkSpec]:
  """What networks of a finished run are exported as, see `spec/forms.py`.

  Without the table that the run searched with they are exported as they are, and that is said.
  """
  options = folder.options("search", SearchOptions)
  metric = metric_of(options)
  try:
    return fastest_form_of(meter_of(metric, options, space, folder))
  except (OSError, ValueError) as error:
    progress.line(f"bypasses are exported as they are: {error}")
    return fastest_form_of(None)
