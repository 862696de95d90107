"""What a run ends with before anything else is read: what of it is not to be trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.aim.ranges import RANGE
from nadv2_tf.pipeline.report.titles import kind_of, network_noun

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.pipeline.report.figures import Overview
  from nadv2_tf.pipeline.run_folder.records import RunMetrics


def doubt_lines(metrics: Overview) -> list[str]:
  """What of the run is not to be trusted, or not what was asked for, a line each."""
  return [
    *_output_lines(metrics),
    *([metrics.run.table_doubt] if metrics.run.table_doubt else []),
    *_beginning_lines(metrics),
    *_timing_lines(metrics),
    *_reference_lines(metrics),
    *_placement_lines(metrics),
  ]


def _beginning_lines(metrics: Overview) -> list[str]:
  """Of the measurements that targets were judged by, and of those that they are shares of."""
  known = metrics.run.range_of(RANGE)
  lines = [
    f"The device was too busy to time the {name} network before the search, whose latency is "
    f"uncertain: {doubt}."
    for name, doubt in (known.doubts if known else {}).items()
  ]
  doubts = dict.fromkeys(_doubt_of_share(part) for part in metrics.parts.values())
  return lines + [
    "The device was too busy to time the largest network beside the found one, so the target, a "
    f"share of its latency, is uncertain: {doubt}."
    for doubt in doubts
    if doubt
  ]


def _doubt_of_share(part: RunMetrics) -> str:
  """What speaks against the latency that the target is a share of, "" if nothing does."""
  metric = part.metric
  if metric is None or metric.share is None:
    return ""
  # Networks that were timed at the end of the run may have given the target another value since.
  doubts = (
    one.largest_doubt
    for one in part.rounds
    if one.round == part.found_in_round
    and one.largest is not None
    and math.isclose(metric.target, metric.share * one.largest)
  )
  return next(doubts, "")


def _timing_lines(metrics: Overview) -> list[str]:
  # Before a run times its finished networks at its end, the search's own word counts.
  doubts = {str(row.iteration): row.doubt for row in metrics.run.confirmed}
  for name, network in metrics.networks.items():
    if network.timing is not None:
      doubts[name] = network.timing.get("doubt", "")
  lines = [
    _too_busy("The device", name, doubt)
    for name, doubt in doubts.items()
    if doubt and not name.isdigit()
  ]
  return lines + [
    _too_busy(device, name, measured.timing["doubt"])
    for name, network in metrics.networks.items()
    for device, measured in network.devices.items()
    if measured.timing.get("doubt")
  ]


def _too_busy(device: str, name: str, doubt: str) -> str:
  return (
    f"{device} was too busy to time the {network_noun(name)}, whose latency is uncertain: {doubt}."
  )


def _reference_lines(metrics: Overview) -> list[str]:
  found = {name: f"{name}/found" if name else "found" for name in metrics.parts}
  return [
    "The device was too busy to tell which uniformly scaled network is as fast as the "
    f"{network_noun(found[name])}: {part.uniform_doubt}."
    for name, part in metrics.parts.items()
    if part.uniform_doubt
  ]


def _output_lines(metrics: Overview) -> list[str]:
  """Of networks of which a device computes something else, or may: see `check_outputs`."""
  lines = []
  for name, network in metrics.networks.items():
    found, title = network.outputs or {}, network_noun(name)
    if "unchecked" in found:
      lines.append(
        f"The outputs of the {title} on the device were not checked: {found['unchecked']}"
      )
    elif not found.get("agrees", True):
      lines.append(
        f"WRONG NUMBERS: with the delegate {found['delegate']} the device computes something else "
        f"of the {title}: outputs of {found['images']} {found['source']} differ by "
        f"{found['largest_difference']:.3g}, {found['largest_allowed']:.3g} allowed, root mean "
        f"square {found['rms_difference']:.3g}, {found['rms_allowed']:.3g} allowed."
      )
  return lines


def _placement_lines(metrics: Overview) -> list[str]:
  """Of found networks of which the delegate asked for leaves a part to others."""
  lines = []
  for name, network in metrics.networks.items():
    if kind_of(name) == "found":
      timings = {"": network.timing or {}}
      timings |= {f"{device}: ": measured.timing for device, measured in network.devices.items()}
      for device, timing in timings.items():
        if said := _placement(timing):
          lines.append(f"{device}{said} ({network_noun(name)}).")
  return lines


def _placement(timing: Mapping[str, Any]) -> str:
  nodes, taken = timing.get("nodes"), timing.get("delegate_nodes")
  if nodes == taken:
    # Builds that print no numbers of nodes say it in words (`benchmarks/timing/delegates.py`).
    notes = timing.get("notes", ()) if nodes is None else ()
    return "; ".join(note for note in notes if " executes " in note)
  return (
    f"{timing['delegate']} executes only {taken} of {nodes} nodes, in {timing['partitions']} "
    "partitions"
  )
