"""The channel and kernel rules that masks, counting, building and slicing all call.

Source: NetAdaptV2, sections 2.1 and 2.2, Fig. 3 and appendix C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, TypeVar

  #: of channels: an int, or an int tensor
  Count = TypeVar("Count")


def output_channels(
  in_channels: Count,
  bypass_cap: int | None,
  kept: Count,
  minimum: Callable[..., Any] = min,
  maximum: Callable[..., Any] = max,
) -> Count:
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


def passed_around(in_channels: int, bypass_cap: int | None, kept: int) -> tuple[int, int]:
  """The input channels [start, end) that go around a layer with `kept` filters; none if equal.

  The first `kept` of the min(C, T) channels that may pass are those that a filter stands for.
  """
  reach = in_channels if bypass_cap is None else min(in_channels, bypass_cap)
  return min(kept, reach), reach


def join(
  x: Any,
  convolved: Any,
  kept: int,
  bypass_cap: int | None,
  downsample: Callable[[Any], Any],
  concatenate: Callable[[list[Any]], Any],
) -> Any:
  """The filtered channels, and beside them those of `x` that go around the layer.

  Args:
    x: the layer's input, [..., channels].
    convolved: output of its `kept` filters, None if none is kept.
    bypass_cap: T of the layer, None for no cap.
    downsample: takes channels of `x` across the layer's stride.
    concatenate: joins tensors along their channels.
  """
  start, end = passed_around(x.shape[-1], bypass_cap, kept)
  if start == end:
    return convolved
  passed = downsample(x if (start, end) == (0, x.shape[-1]) else x[..., start:end])
  return passed if convolved is None else concatenate([convolved, passed])


def depthwise_kept(in_channels: Count, kept: Count, minimum: Callable[..., Any] = min) -> Count:
  """Filters of a depthwise layer that do work: filter i needs live channel i."""
  return minimum(in_channels, kept)


def output_size(
  size: int, stride: int, kernel: int = 1, padding: tuple[int, int] | None = None
) -> int:
  """Height or width after a window of `kernel` pixels; `padding` None is SAME padding.

  Raises:
    ValueError: if the window is larger than what it moves over.
  """
  if padding is None:
    return -(-size // stride)
  padded = size + sum(padding)
  if padded < kernel:
    raise ValueError(f"A window of {kernel} does not fit into {padded} pixels, padding included.")
  return (padded - kernel) // stride + 1


def kernel_centre(full: int, kept: int) -> slice:
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
