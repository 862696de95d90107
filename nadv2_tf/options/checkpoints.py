"""How trainings are kept against a kill."""

import dataclasses

from nadv2_tf.option import OptionGroup, option


@dataclasses.dataclass(frozen=True)
class CheckpointOptions(OptionGroup):
  """How trainings are kept against a kill; may differ from one command of a run to the next."""

  checkpoint_every: float = option(
    60.0,
    "Seconds from one checkpoint of a training to the next: what a kill costs at most. 0 is after "
    "every step.",
    low=0,
  )
  keep_checkpoints: int = option(
    2,
    "Checkpoints that are kept of a training until its result is written; where the newest is "
    "damaged, the one before is used.",
    low=1,
  )


DEFAULT_CHECKPOINTS = CheckpointOptions()
