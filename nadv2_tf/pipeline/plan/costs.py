"""What single pieces of work cost on one machine, in seconds."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class NetworkCosts:
  """Of one stand-alone network.

  Attributes:
    prepare: cutting it out, its statistics, all its traces, saving it.
    step: of fine-tuning.
    image: evaluated in Keras.
    export: of its float32 file, the comparison included, without the evaluation.
    export_quantized: of the further file, if there is one.
    file_image: evaluated with a file.
  """

  prepare: float = 0.0
  step: float = 0.0
  image: float = 0.0
  export: float = 0.0
  export_quantized: float = 0.0
  file_image: float = 0.0


@dataclasses.dataclass(frozen=True)
class Costs:
  """Of a whole run, each in seconds.

  Attributes:
    start: libraries, data, checks.
    super_build: making the super-network and tracing its step.
    super_full_step, super_step: of training the full network alone, and with ordered dropout.
    found, full: `NetworkCosts` of a network like the found one, and of the full one.
    uniform: of the uniformly scaled network; None where it counts as one like the found network.
    score_build: making what scores, and its trace.
    sample: scored, after its proposal.
    propose: of one sample.
    descend: a step downhill in the loss of the super-network.
    range: timing the smallest, middle and largest network.
    piece, table_network: built and timed, for the table.
    choose: of the networks that the table is checked with.
    confirm: of one network.
    match: one round of looking for the uniformly scaled network.
    time: of one exported network.
    report: of the run.
    measured_on: {cost: what it was measured on}; what is not in it was not measured.
  """

  start: float = 0.0
  super_build: float = 0.0
  super_full_step: float = 0.0
  super_step: float = 0.0
  found: NetworkCosts = NetworkCosts()
  full: NetworkCosts = NetworkCosts()
  uniform: NetworkCosts | None = None
  score_build: float = 0.0
  sample: float = 0.0
  propose: float = 0.0
  descend: float = 0.0
  range: float = 0.0
  piece: float = 0.0
  table_network: float = 0.0
  choose: float = 0.0
  confirm: float = 0.0
  match: float = 0.0
  time: float = 0.0
  report: float = 0.0
  measured_on: dict[str, str] = dataclasses.field(default_factory=dict)
