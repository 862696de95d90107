"""Superkernel: a k x k kernel is the centre of the full one.

Source: NetAdaptV2, section 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.types import Tensor


def centre_mask(full: int, kernel_size: Tensor, dtype: Any = "float32") -> Tensor:
  """1 on the centre `kernel_size` x `kernel_size` taps of a `full` x `full` kernel.

  Args:
    full: odd side of the full kernel.
    kernel_size: scalar int32 tensor, odd, in [1, full].
    dtype: of the result.

  Returns:
    [full, full, 1, 1].
  """
  distance = np.abs(np.arange(full, dtype=np.int32) - full // 2)
  ring = np.maximum(distance[:, None], distance)[:, :, None, None]
  return ops.cast(2 * ring < kernel_size, dtype)
