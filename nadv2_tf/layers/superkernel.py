"""Superkernel: a k x k kernel is the centre of the full one.

Source: NetAdaptV2, section 2.1.
"""

from keras import ops


def centre_mask(full, kernel_size, dtype="float32"):
  """1 on the centre `kernel_size` x `kernel_size` taps of a `full` x `full` kernel.

  Args:
    full: odd side of the full kernel.
    kernel_size: scalar int32 tensor, odd, in [1, full].
    dtype: of the result.

  Returns:
    [full, full, 1, 1].
  """
  distance = ops.abs(ops.arange(full, dtype="int32") - full // 2)
  inside = ops.cast(2 * distance < kernel_size, dtype)
  return (inside[:, None] * inside[None, :])[:, :, None, None]
