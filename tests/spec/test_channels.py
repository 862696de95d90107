"""The channel and kernel rules, against the paper's own small cases."""

import pytest

from nadv2_tf.spec import channels

# NetAdaptV2, Fig. 3: input channels C, bypass cap T, then Z for M = most, most - 1, ..., 0.
FIGURE_3 = (
  (4, 4, (4, 4, 4, 4, 4)),
  (4, 6, (6, 5, 4, 4, 4, 4, 4)),
  (4, 2, (4, 3, 2, 2, 2)),
)


@pytest.mark.parametrize(("in_channels", "cap", "expected"), FIGURE_3)
def test_output_channels_follow_figure_3(in_channels, cap, expected):
  most = len(expected) - 1
  found = tuple(channels.output_channels(in_channels, cap, kept) for kept in range(most, -1, -1))
  assert found == expected


@pytest.mark.parametrize(("kept", "expected"), [(0, 7), (6, 7), (7, 7), (8, 8)])
def test_without_a_cap_every_input_channel_is_bypassed(kept, expected):
  assert channels.output_channels(7, None, kept) == expected  # max(7, M)


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_cap_of_zero_is_no_bypass(kept):
  assert channels.output_channels(7, 0, kept) == kept


def test_the_rule_takes_the_minimum_and_maximum_of_other_types():
  def minimum(a, b):
    return tuple(map(min, a, b))

  def maximum(a, b):
    return tuple(map(max, a, b))

  # C = (4, 4, 9), T = (2, 2, 2), M = (1, 3, 0): Z = (2, 3, 2).
  found = channels.output_channels((4, 4, 9), (2, 2, 2), (1, 3, 0), minimum, maximum)
  assert found == (2, 3, 2)


@pytest.mark.parametrize(
  ("in_channels", "kept", "works"), [(8, 5, 5), (8, 8, 8), (8, 11, 8), (8, 0, 0), (0, 3, 0)]
)
def test_a_depthwise_filter_needs_its_channel_and_all_channels_leave(in_channels, kept, works):
  found = channels.depthwise_kept(in_channels, kept)
  assert found == works
  assert channels.output_channels(in_channels, None, found) == in_channels  # Z = C


@pytest.mark.parametrize(
  ("size", "stride", "expected"),
  [(224, 1, 224), (224, 2, 112), (7, 2, 4), (1, 2, 1), (2, 2, 1), (5, 1, 5)],
)
def test_output_size_rounds_up(size, stride, expected):
  assert channels.output_size(size, stride) == expected


@pytest.mark.parametrize(
  ("full", "kept", "taps"),
  [
    (7, 7, [0, 1, 2, 3, 4, 5, 6]),
    (7, 5, [1, 2, 3, 4, 5]),
    (7, 3, [2, 3, 4]),
    (5, 3, [1, 2, 3]),
    (3, 1, [1]),
    (1, 1, [0]),
  ],
)
def test_kernel_centre_is_symmetric(full, kept, taps):
  assert list(range(full))[channels.kernel_centre(full, kept)] == taps


@pytest.mark.parametrize(("full", "kept"), [(7, 4), (6, 3), (5, 7), (5, -1), (5, 0)])
def test_kernel_centre_refuses_even_and_larger_sizes(full, kept):
  with pytest.raises(ValueError, match=rf"odd size between 1 and .* {full}, got {kept}\."):
    channels.kernel_centre(full, kept)
