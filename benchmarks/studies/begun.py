"""Runs of a study that begin with the full network, and the latency table, of another run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.run_folder.folder import RunFolder

if TYPE_CHECKING:
  from collections.abc import Mapping
  from typing import Any

#: groups of run.json that are there before anything is searched
GROUPS = ("network", "train", "finetune")


def begin(
  place: RunFolder,
  first: RunFolder,
  changed: Mapping[str, Mapping[str, Any]],
  has_table: bool = False,
) -> None:
  """Makes a run's folder with the full network of another run, which is not trained again.

  Args:
    place: of the run; it must not be there yet.
    first: the other run's, with at least its full network.
    changed: {group: {option: value}} in which the run differs from the other one.
    has_table: whether the other run's latency table is taken too, of the same space and device.
  """
  settings = {name: dict(first.settings()[name]) for name in GROUPS}
  for group, options in changed.items():
    settings[group] |= options
  # Whole at once: a folder that is there is not begun again.
  partial = RunFolder(place.path.with_name(f"new_{place.path.name}"))
  shutil.rmtree(partial.path, ignore_errors=True)
  partial.path.mkdir()
  for path in (first.keras("full"), first.spec("full"), *([first.latency_table] * has_table)):
    shutil.copy(path, partial.path)
  partial.write_json(partial.settings_file, settings)
  metrics = first.metrics()
  full = {"full": metrics.networks["full"]}
  partial.update_metrics(networks=full, seconds={"full": metrics.seconds["full"]})
  partial.path.replace(place.path)
