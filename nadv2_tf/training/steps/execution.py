"""How a super-network runs, and what goes with what; needs no TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from nadv2_tf.options.training import EXECUTIONS, PRECISIONS

if TYPE_CHECKING:
  from nadv2_tf.training.widths import WidthSampler


def check_execution(
  execution: str,
  sampler: WidthSampler | None,
  distillation: float = 0.0,
  jit_compile: bool = False,
  mixed_precision: str = "none",
) -> None:
  """Raises ValueError if a super-network with this `WidthSampler` (or None) cannot run so.

  Args:
    execution: one of `EXECUTIONS`.
    sampler: a `WidthSampler`, or None for a stand-alone network.
    distillation: share of the loss in [0, 1] that compares with the full network.
    jit_compile: whether a step is compiled with XLA.
    mixed_precision: one of `PRECISIONS`.
  """
  backend = keras.config.backend()
  own_kernels = sampler is not None and sampler.own_kernels
  if backend != "tensorflow" and (execution == "sliced" or distillation or own_kernels):
    raise ValueError(
      "--execution=sliced needs the TensorFlow backend, and --distillation and --own_kernels need "
      f"both; with KERAS_BACKEND={backend} leave them out."
    )
  can_slice = sampler is not None and sampler.subnetworks < sampler.batch_size
  if execution not in EXECUTIONS or (execution == "sliced" and not can_slice):
    raise ValueError(
      f"--execution must be one of {', '.join(EXECUTIONS)}, and sliced needs fewer sub-networks "
      f"than images in a batch; got {execution!r}."
    )
  if not 0 <= distillation <= 1:
    raise ValueError(f"--distillation must be from 0 to 1, got {distillation}.")
  if execution == "masked" and (distillation or own_kernels):
    raise ValueError("--distillation and --own_kernels need --execution=sliced.")
  if mixed_precision not in PRECISIONS:
    raise ValueError(
      f"--mixed_precision must be one of {', '.join(PRECISIONS)}, got {mixed_precision!r}."
    )
  if execution == "sliced" and jit_compile:
    raise ValueError(
      "--jit_compile needs --execution=masked: sliced sub-networks have sizes that are known only "
      "when they run, and XLA compiles for fixed ones."
    )
  if execution == "sliced" and mixed_precision != "none":
    raise ValueError(
      f"--mixed_precision={mixed_precision} needs --execution=masked: sliced sub-networks compute "
      "in float32."
    )
