"""The stage that asks whether the device computes what this machine does."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.errors import TimingError
from nadv2_tf.benchmarks.timing.outputs import IMAGES, check_outputs
from nadv2_tf.pipeline.aim.device import device_of, timing_settings
from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.pipeline.stages.export import file_of
from nadv2_tf.pipeline.stages.given.form import form_of

if TYPE_CHECKING:
  from nadv2_tf.options import SearchOptions
  from nadv2_tf.pipeline.progress import Progress
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.pipeline.stages.workbench import Workbench


def check_found(
  bench: Workbench,
  folder: RunFolder,
  options: SearchOptions,
  progress: Progress,
  quantization: str = "none",
) -> None:
  """Compares a found network's outputs on the device, on hold-out images; into its metrics.

  A run does not end with what it finds: the network is trained and exported, and may run elsewhere.
  Nothing is printed of outputs that agree.

  Args:
    bench: a `Workbench`.
    folder: the `RunFolder` of the found network.
    options: `SearchOptions`.
    progress: a `Progress`.
    quantization: which file of it.
  """
  if not options.check_outputs or not metric_of(options).has_device:
    return
  path = folder.need(file_of(folder, "found", quantization), "nadv2-export")
  images = form_of(bench.given).inputs(bench.datasets.holdout.take(slice(IMAGES)).inputs())
  try:
    with device_of(options) as device:
      check = check_outputs(device, path, images, "hold-out images", timing_settings(options))
  except TimingError as error:
    folder.update_network("found", outputs={"unchecked": error.problem})
    progress.line(f"the outputs of {path} on the device were not checked: {error.problem}")
    return
  folder.update_network("found", outputs=dataclasses.asdict(check) | {"agrees": check.agrees})
  if not check.agrees:
    progress.line(
      f"WRONG NUMBERS: with the delegate {check.delegate} the device computes something else of "
      f"{path}: {check.describe()}"
    )
  for note in check.notes:
    progress.line(f"  {note}")
