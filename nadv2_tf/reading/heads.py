"""The end of a classifier: pooled or flat features, at most one hidden layer, the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.reading.patterns import Match
from nadv2_tf.reading.units import unit
from nadv2_tf.spec import blocks

if TYPE_CHECKING:
  from nadv2_tf.reading.graph import Node
  from nadv2_tf.reading.units import Arrays, Links, Unit


def head(links: Links, x: Node) -> tuple[Match, Node] | None:
  """The head that begins behind `x`, and the node whose dropout it has; None if there is none."""
  first = links.only(x)
  if first is None:
    return None
  if first.kind == "global_pool":
    pooled, first = first, links.only(first)
  else:
    pooled = x
  if first is None or first.kind != "conv":
    return None
  if pooled.shape[:2] != (1, 1):
    return _flat(links, x, first)
  hidden = unit(links, first)
  if _is_last(links, hidden):
    return _head(None, hidden), pooled
  if hidden.batch_norm or not hidden.is_pointwise():
    return None
  following = links.only(hidden.end)
  if following is None or following.kind != "conv":
    return None
  classes = unit(links, following)
  if not _is_last(links, classes):
    return None
  return _head(hidden, classes), hidden.end


def _is_last(links: Links, item: Unit) -> bool:
  """Whether a unit is the classifier."""
  plain = not item.batch_norm and item.activation == "linear"
  return plain and item.is_pointwise() and item.end is links.end


def _head(hidden: Unit | None, classes: Unit) -> Match:
  width, activation = (hidden.kept, hidden.activation) if hidden else (None, "hard_swish")
  count, arrays = _classes(classes)
  block = blocks.Head(count, width, activation)
  return Match(block, {**(hidden.arrays("hidden") if hidden else {}), **arrays}, classes.end)


def _classes(item: Unit) -> tuple[int, Arrays]:
  """How many classes, and the classifier's arrays. One output is the second of two classes."""
  (kernel, bias) = item.arrays("classes")["classes"]
  if item.kept == 1:
    kernel = np.concatenate([np.zeros_like(kernel), kernel], axis=-1)
    bias = np.concatenate([np.zeros_like(bias), bias])
  return len(bias), {"classes": [kernel, bias]}


def _flat(links: Links, x: Node, first: Node) -> tuple[Match, Node] | None:
  """A classifier that sees all pixels of `x` side by side."""
  item = unit(links, first)
  is_classifier = not item.batch_norm and item.activation == "linear" and item.end is links.end
  if "flat" not in first.values or not is_classifier:
    return None
  count, arrays = _classes(item)
  return Match(blocks.Head(count, pool=False), arrays, item.end), x
