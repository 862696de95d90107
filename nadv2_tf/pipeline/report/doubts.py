"""What a run ends with before anything else is read: what of it is not to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.pipeline.report.titles import kind_of, network_title

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

  from nadv2_tf.pipeline.report.figures import Overview


def doubt_lines(metrics: Overview) -> list[str]:
  """What of the run is not to be trusted, or not what was asked for, a line each."""
  lines = _output_lines(metrics)
  lines += [metrics.run.table_doubt] if metrics.run.table_doubt else []
  # Before a run times its finished networks at its end, the search's own word counts.
  doubts = {str(row.iteration): row.doubt for row in metrics.run.confirmed}
  for name, network in metrics.networks.items():
    if network.timing is not None:
      doubts[name] = network.timing.get("doubt", "")
  lines += [
    _too_busy("The device", name, doubt)
    for name, doubt in doubts.items()
    if doubt and not name.isdigit()
  ]
  lines += [
    _too_busy(device, name, measured.timing["doubt"])
    for name, network in metrics.networks.items()
    for device, measured in network.devices.items()
    if measured.timing.get("doubt")
  ]
  return lines + _placement_lines(metrics)


def _output_lines(metrics: Overview) -> list[str]:
  """Of networks of which a device computes something else, or may: see `check_outputs`."""
  lines = []
  for name, network in metrics.networks.items():
    found, title = network.outputs or {}, network_title(name)
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
          lines.append(f"{device}{said} ({network_title(name)}).")
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


def _too_busy(device: str, name: str, doubt: str) -> str:
  return (
    f"{device} was too busy to time the {network_title(name)}, whose latency is uncertain: {doubt}."
  )
