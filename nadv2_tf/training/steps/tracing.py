"""Traced functions of which there is one for each model."""

from __future__ import annotations

import contextlib
import functools
import itertools
from typing import TYPE_CHECKING

import tensorflow as tf

from nadv2_tf import stopwatch

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Sequence
  from typing import Any


def traced(
  function: Callable[..., Any], input_signature: Sequence[Any] | None = None
) -> Callable[..., Any]:
  """`function` as a tf.function, without AutoGraph, whose retraces are counted by themselves.

  TensorFlow counts retraces by code and not by function: the same lines traced once for each of
  five models look to it like one function traced five times, and it warns. What is made here has
  no code of its own to be taken for another's, so a function that does retrace is still warned of.

  Args:
    function: what is traced. Keras layers need no AutoGraph, and without it a super-network is
      traced in two thirds of the time.
    input_signature: see tf.function.
  """
  made = tf.function(functools.partial(function), autograph=False, input_signature=input_signature)
  kinds = itertools.chain(["tracing"], itertools.repeat("steps"))

  def call(*arguments: Any) -> Any:
    # The first call traces and, on its way to the first result, prepares the graph.
    with stopwatch.part(next(kinds)):
      return made(*arguments)

  return call


@contextlib.contextmanager
def as_written() -> Iterator[None]:
  """Functions that are called inside run as they were traced, not rewritten by Grappler first.

  Of a training step the rewriting takes as long as the tracing (2 s for the demo's super-network),
  and what comes out is no faster (docs/decisions/0007).
  """
  before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
  tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
  try:
    yield
  finally:
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
