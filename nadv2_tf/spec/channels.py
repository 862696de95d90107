"""The channel and kernel rules that masks, counting, building and slicing all call.

Source: NetAdaptV2, sections 2.1 and 2.2, Fig. 3 and appendix C.
"""


def output_channels(in_channels, bypass_cap, kept, minimum=min, maximum=max):
  """Channels that leave a layer with channel-level bypass: `max(min(C, T), M)`.

  Args:
    in_channels: live input channels C; an int, or an int tensor, [batch].
    bypass_cap: T, how many input channels may be bypassed; None is no cap.
    kept: filters M that are kept; same type as `in_channels`.
    minimum: the two-argument minimum for that type.
    maximum: the two-argument maximum for that type.

  Source: NetAdaptV2, section 2.2 and appendix C.
  """
  bypassed = in_channels if bypass_cap is None else minimum(in_channels, bypass_cap)
  return maximum(bypassed, kept)


def depthwise_kept(in_channels, kept, minimum=min):
  """Filters of a depthwise layer that do work: filter i needs live channel i."""
  return minimum(in_channels, kept)


def output_size(size, stride):
  """Height or width after SAME padding."""
  return -(-size // stride)


def kernel_centre(full, kept):
  """The slice of a kernel axis of length `full` that a `kept` kernel occupies.

  With SAME padding the centre taps of odd kernels fall on the same input pixel at
  stride 1 and 2, so a masked large kernel and a cut small one agree.

  Raises:
    ValueError: if either size is even, or `kept` is not in [1, full].

  Source: NetAdaptV2, section 2.1 (superkernel).
  """
  if full % 2 == 0 or kept % 2 == 0 or not 1 <= kept <= full:
    raise ValueError(
      f"A kernel is cut to an odd size between 1 and its own odd size {full}, got {kept}."
    )
  margin = (full - kept) // 2
  return slice(margin, margin + kept)
