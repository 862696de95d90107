"""All that a run is asked for."""

import dataclasses

from nadv2_tf.pipeline import export_stage


@dataclasses.dataclass(frozen=True)
class Given:
  """All that a run is asked for: the option groups; `timed` is the form of its timed files."""

  network: object
  train: object
  search: object
  finetune: object
  references: bool
  trust: object = None
  checkpoint: object = None
  export: object = None

  @property
  def timed(self):
    return export_stage.timed_quantization(self.search, self.export)
