"""A given network without data: for plans, counts and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf import reading
from nadv2_tf.pipeline.stages.given import form, source
from nadv2_tf.pipeline.stages.given.network import GivenNetwork

if TYPE_CHECKING:
  from nadv2_tf.options import NetworkOptions


def on_paper(options: NetworkOptions, classes: int | None = None) -> GivenNetwork:
  """The network without data; for plans, counts and tables.

  Args:
    options: `NetworkOptions`.
    classes: of the data, for which a run would replace another classifier; None: its own.

  Raises:
    ValueError: in one line, if it cannot be had or read.
  """
  model = source.load(options)
  found = source.read(model, options, options.image_size)
  input_range, why = source.input_range_of(model, found, options)
  line = f"it takes pixels as {input_range[0]:g}..{input_range[1]:g}: {why}"
  is_new = classes not in (None, getattr(found.spec.blocks[-1], "classes", None))
  fitted = reading.with_classes(found, classes) if classes is not None and is_new else found
  adapted = reading.with_bypass(reading.with_input_range(fitted, *input_range), options.bypass)
  ending = form.ending_of(model, found, is_new)
  return GivenNetwork(adapted, input_range, ending, is_new, {}, (*found.dropped, line))
