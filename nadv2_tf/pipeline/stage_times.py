"""stages.json of a run: seconds and CPU seconds of every stage, and what they were spent on."""

import contextlib

from nadv2_tf import stopwatch


class StageTimes:
  """Writes the times of a run's stages into its folder, those of earlier commands included.

  Args:
    folder: the `RunFolder`.
    watch: the `Stopwatch` that runs.
  """

  def __init__(self, folder, watch):
    self._folder = folder
    self._watch = watch
    self._before = folder.read_stages()

  @contextlib.contextmanager
  def stage(self, name):
    """The block is a stage; after it the file is written, so that a kill later loses nothing."""
    with stopwatch.stage(name):
      yield
    self.write()

  def write(self):
    self._folder.write_json(self._folder.stages, stopwatch.added(self._before, self._watch.read()))


def table(stages):
  """stages.json as a table: its header, and rows of texts, the sum last."""
  header = ["", "seconds", "CPU seconds", *stopwatch.PARTS, stopwatch.REST]
  return header, [
    [name, *(f"{value:.1f}" for value in values)] for name, values in stopwatch.rows(stages)
  ]
