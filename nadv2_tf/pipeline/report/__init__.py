"""Tables and pictures of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf import backbones
from nadv2_tf.pipeline.report import page, picture, tables, titles
from nadv2_tf.pipeline.report.figures import Overview, of_place, overview
from nadv2_tf.pipeline.run_folder.folder import GIVEN
from nadv2_tf.resources.latency_table import LatencyTable
from nadv2_tf.search import journal
from nadv2_tf.spec.files import write_atomically

if TYPE_CHECKING:
  from collections.abc import Mapping, Sequence
  from typing import Any

  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.search.entries import Entry
  from nadv2_tf.spec import NetworkSpec


def write_report(folder: RunFolder) -> str:
  """Writes pareto.png and report.html of a run; returns the closing table as text.

  With several targets the run's folder gets one report of all of them, and the folder of each
  target one of its own.

  Raises:
    ValueError: if the folder holds no run, or one without a finished search.
  """
  places = folder.found_folders()
  for place in places:
    folder.need(place.spec("found"), "nadv2-search")
  settings = folder.settings()
  if "network" not in settings:
    raise ValueError(
      f"--output={folder.path} holds no run.json; a report is made of a whole run's folder."
    )
  found = {place.path.name: place.read_spec("found") for place in places}
  entries = journal.read_all([folder.later_journal, *folder.journals()])
  if places != [folder]:
    for place in places:
      metrics = of_place(folder.metrics(), place.metrics())
      _write(folder, place, metrics, settings, [("", found[place.path.name])], entries)
    named = [(titles.target_title(name), spec) for name, spec in found.items()]
  else:
    named = [("", found[folder.path.name])]
  metrics = overview(folder)
  _write(folder, folder, metrics, settings, named, entries)
  return tables.text_table(metrics)


def _largest(
  run: RunFolder, settings: Mapping[str, Mapping[str, Any]], found: NetworkSpec
) -> NetworkSpec:
  """The network that the search began with."""
  if run.spec(GIVEN).exists():
    return run.read_spec(GIVEN)
  return backbones.search_space(
    settings["network"]["backbone"],
    input_shape=found.input_shape,
    classes=getattr(found.blocks[-1], "classes", None),  # only a head has them
  ).largest()


def _write(
  run: RunFolder,
  place: RunFolder,
  metrics: Overview,
  settings: Mapping[str, Mapping[str, Any]],
  found: Sequence[tuple[str, NetworkSpec]],
  entries: Sequence[Entry],
) -> None:
  largest = _largest(run, settings, found[0][1])
  picture.draw_pareto(entries, metrics, place.pareto)
  pictures = [
    (name, place.examples(name).read_bytes())
    for name in metrics.networks
    if place.examples(name).exists()
  ]
  logs = run.training_logs() | place.training_logs()
  table = LatencyTable.from_csv(run.latency_table) if run.latency_table.exists() else None
  text = page.render(
    metrics,
    settings,
    found,
    largest,
    place.pareto.read_bytes(),
    pictures,
    logs,
    table,
    run.read_stages(),
  )
  write_atomically(place.report, text.encode())
