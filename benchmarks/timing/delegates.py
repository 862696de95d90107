"""Whether the delegate that was asked for ran the model: proved, doubted, or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import NothingMeasured
from nadv2_tf.benchmarks.timing.refusals import ANOTHER, CREATED_XNNPACK

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.placement import Placement

#: delegates as TensorFlow Lite's build calls them when it says that it applied one
_NAMES = {"cpu": "XNNPACK", "gpu": "GPU", "npu": "NPU", "nnapi": "NNAPI"}
_DEPRECATED = "Android 15 has deprecated NNAPI: --delegate=npu is what follows it"


def check_delegate(
  text: str, delegate: str | None, placement: Placement | None, is_full: bool
) -> tuple[str, ...]:
  """Refuses a run without the delegate that was asked for; tuple of notes.

  Args:
    text: all that was printed.
    delegate: the delegate that was asked for, or None.
    placement: the `Placement`, where the build tells it; otherwise its words count.
    is_full: whether the delegate may leave nothing to others.
  """
  if delegate is None:
    return ()
  if placement is None:
    notes, whole = _check_words(text, delegate)
  else:
    notes, whole = _check_placement(delegate, placement)
  if is_full and not whole:
    told = placement.describe() if placement else "; ".join(notes)
    raise NothingMeasured(
      f"The delegate {delegate} does not run all of the model, or the build does not say that it "
      f"does ({told or 'it says nothing'}): leave --require_full_delegation out, choose another "
      "delegate, or export the model without what it lacks."
    )
  return (*notes, _DEPRECATED) if delegate == "nnapi" else notes


def _check_placement(delegate: str, placement: Placement) -> tuple[tuple[str, ...], bool]:
  """(notes, whether all nodes ran on the delegate), or the refusal of a run elsewhere."""
  count = placement.on(delegate)
  taken = sum(placement.delegated.values())
  # What an accelerator leaves may go to the processor, which leaves nothing to an accelerator.
  elsewhere = {"cpu": taken > count, "none": taken > 0}.get(delegate, count == 0)
  if elsewhere:
    raise NothingMeasured(
      f"benchmark_model did not execute the model with the delegate {delegate} "
      f"({placement.describe()}): choose another delegate, or give {ANOTHER}."
    )
  if delegate == "none" or count == placement.nodes:
    return (), True
  said = f"{delegate} executes only {count} of {placement.nodes} nodes ({placement.describe()})"
  return (said,), False


def _check_words(text: str, delegate: str) -> tuple[tuple[str, ...], bool]:
  """As `_check_placement`, from the words of builds that print no numbers of nodes."""
  wanted = _NAMES.get(delegate)
  # "Explicitly applied GPU delegate, and the model graph will be ..."; "Applied GPU delegate." in
  # 2019; "Though GPU delegate is explicitly applied, the model graph will not be executed ...".
  applied = dict(re.findall(r"(?i)\bapplied (\w+) delegate\b(.*)", text))
  idle = re.findall(r"Though (\w+) delegate is", text)
  strangers = sorted({*applied, *idle} - {wanted})
  if wanted is None and CREATED_XNNPACK in text:
    strangers.append("XNNPACK")
  if strangers:
    raise NothingMeasured(
      f"benchmark_model used {strangers[0]}, though the delegate asked for was {delegate}: give "
      f"{ANOTHER}."
    )
  if wanted in applied:
    # Some builds spell it "paritally".
    partly = re.search(r"(?i)par(?:ti|it)ally(?:.*w/ (\d+))?", applied[wanted])
    if not partly:
      return (), "completely" in applied[wanted]
    parts = f", in {partly[1]} parts" if partly[1] else ""
    return (f"{wanted} executes only a part of the model{parts}",), False
  if wanted == "XNNPACK" and re.search(r"Use xnnpack ?: \[0\]", text):
    raise NothingMeasured("XNNPACK was turned off in this run: leave --use_xnnpack=false out.")
  if wanted == "XNNPACK":
    if idle:
      return ("XNNPACK executes no part of the model",), False
    said = CREATED_XNNPACK in text
    return () if said else ("the build does not say that XNNPACK was used",), False
  if wanted is None:
    return (), True
  raise NothingMeasured(
    f"benchmark_model "
    f"{'executed no part of the model with' if wanted in idle else 'does not say that it applied'} "
    f"the delegate {wanted}: choose another delegate, or give {ANOTHER}."
  )
