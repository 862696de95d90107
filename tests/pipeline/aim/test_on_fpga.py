"""--metric=fpga_ms: an FPGA by name or by file, and what a space costs on it."""

import pytest
from fpga_files import write_fpga

from nadv2_tf.pipeline.aim.metric import metric_of
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.spec.blocks import Conv, Head

# A 4x4 image -> 3x3 convolution of stride 2 with 2 to 4 filters -> global pool -> 2 classes.
SPACE = space_of(NetworkSpec("tiny", (4, 4, 1), (Conv(4, 3, 2), Head(2))), 2)


def test_range_on_an_fpga(folder, tmp_path, options):
  # Filters n: 2x2 places x 9 taps x n cycles of a microsecond; the classifier takes 2 n.
  path = write_fpga(tmp_path)
  metric = metric_of(options("fpga_ms", fpga=str(path)))
  expected = {"smallest": 0.072, "middle": 0.144, "largest": 0.144}
  assert metric.costs(SPACE, folder) == pytest.approx(expected)
  path.write_text('{"name": "one", "dsp": 1, "bram36": 9, "lut": 9, "macs_per_dsp": 1}')
  with pytest.raises(ValueError, match="does not fit into one as a pipeline: 2 engines take 2 DSP"):
    metric_of(options("fpga_ms", fpga=str(path))).costs(SPACE, folder)


def test_an_fpga_that_is_none_is_told_before_a_space_is_made(options):
  with pytest.raises(ValueError, match="one of zu3eg or a .json file, got 'zu9'"):
    metric_of(options("fpga_ms", fpga="zu9")).check()


@pytest.mark.parametrize(("metric", "fpga"), [("fpga_ms", ""), ("macs", "zu3eg")])
def test_an_fpga_and_its_metric_go_together(options, metric, fpga):
  message = (
    f"of an FPGA that --fpga names, zu3eg, or a .*; got --metric={metric} and --fpga={fpga}."
  )
  with pytest.raises(ValueError, match=message):
    options(metric, fpga=fpga)
