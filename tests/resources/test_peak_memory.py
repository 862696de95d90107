"""Peak memory of activations: by hand, and against the tensors of exported files."""

import random

import pytest

from nadv2_tf import backbones
from nadv2_tf.benchmarks.tables.networks import network_file
from nadv2_tf.export import inspection
from nadv2_tf.resources import PeakMemoryMeter
from nadv2_tf.spec import NetworkSpec, Skip
from nadv2_tf.spec.blocks import (
  Activation,
  Conv,
  Head,
  InvertedResidual,
  Norm,
  Pool,
  Residual,
  Upsample,
)


def test_a_residual_block_by_hand():
  # 4x4x4 in; 12 channels, depthwise, squeeze and excite through 8, back to 4, plus the input.
  block = InvertedResidual(12, 12, 4, 3, 1, 8, "relu")
  spec = NetworkSpec("tiny", (4, 4, 4), (block, Head(3)))
  inside, held = 16 * 12, 16 * 4
  depthwise = inside + inside + held
  head = 16 * 4 + 4  # the pool
  assert PeakMemoryMeter().block_peaks(spec) == (4 * depthwise, 4 * head)
  assert PeakMemoryMeter().measure(spec) == 4 * depthwise
  plain = spec.with_block(0, residual=False)
  assert PeakMemoryMeter().measure(plain) == 4 * (inside + inside)


def test_a_residual_block_with_a_shortcut_by_hand():
  # 4x4x4 in, 4x4x6 and 2x2x6 in the branch, 2x2x8 beside it, added, activated in place.
  block = Residual(6, 6, 8, 8, first_kernel=1, second_kernel=3, second_stride=2)
  spec = NetworkSpec("tiny", (4, 4, 4), (block, Head(3)))
  beside = 4 * 8
  peaks = (16 * 4 + beside, 16 * 4 + 16 * 6 + beside, 16 * 6 + 4 * 6 + beside, 4 * 6 + 2 * beside)
  assert PeakMemoryMeter().block_peaks(spec)[0] == 4 * max(peaks) == 4 * peaks[1]
  # Without it the input is held instead, once the first layer is done.
  spec = NetworkSpec("tiny", (4, 4, 4), (Residual(6, 6), Head(3)))
  assert PeakMemoryMeter().block_peaks(spec)[0] == 4 * (2 * 16 * 6 + 16 * 4)


def test_what_works_in_place_needs_no_more():
  blocks = (Conv(4), Norm("relu"), Activation("swish"), Pool("max", 2), Head(2))
  spec = NetworkSpec("tiny", (4, 4, 2), blocks)
  peaks = (32 + 64, 64, 64, 64 + 16, 16 + 4)
  assert PeakMemoryMeter().block_peaks(spec) == tuple(4.0 * peak for peak in peaks)


def test_a_skip_is_held_until_it_is_added():
  # 4x4x2 -> 2x2x3, held -> 1x1x5 -> 2x2x5 -> 2x2x3 and the skip.
  blocks = (Conv(3, 3, 2), Conv(5, 3, 2), Upsample(2), Conv(3), Head(2))
  spec = NetworkSpec("tiny", (4, 4, 2), blocks, (Skip(0, 3),))
  skip = 4 * 3
  peaks = (32 + 12, 12 + 5, 5 + 20 + skip, 20 + 12 + skip, 12 + 3)
  assert PeakMemoryMeter().block_peaks(spec) == tuple(4.0 * peak for peak in peaks)


def test_a_removed_block_holds_nothing():
  removed = InvertedResidual(0, 0, 0, 3, 1, 8, "relu")
  spec = NetworkSpec("tiny", (4, 4, 2), (Conv(4), removed, Head(3)))
  assert PeakMemoryMeter().block_peaks(spec)[1] == 4 * 16 * 4  # what comes in goes out


@pytest.mark.parametrize("name", ["mobilenet_v3_demo", "fastdepth"])
def test_files_hold_no_less_and_not_much_more(name):
  """A file copies what goes around; what works in place here is written anew there."""
  shape = (32, 32, 1) if name == "mobilenet_v3_demo" else (32, 32, 3)
  space = backbones.search_space(name, input_shape=shape)
  rng, meter = random.Random(3), PeakMemoryMeter()
  for spec in (space.largest(), space.sample(rng), space.sample(rng)):
    file = inspection.inspect(network_file(spec)).peak_memory_bytes
    assert meter.measure(spec) <= file <= 2 * meter.measure(spec)
