"""The report's table of layers, for networks like other people's."""

from other_networks import PLAIN, RESNET, UNIVERSAL

from nadv2_tf.pipeline.report import layers


def cells(found, largest):
  """{first cell: the next two} of every row."""
  return {row[0]: row[1:3] for row in layers.rows(found, largest)[1]}


def test_fields_of_layers_are_named():
  found = cells(UNIVERSAL, UNIVERSAL)
  assert found["3 universal bottleneck: squeeze excite (swish, sigmoid gate)"] == ("", "")
  assert found["8 universal bottleneck: start (padding 0 1)"] == ("12 of 12", "3 of 3")
  assert found["8 universal bottleneck: depthwise (padding 2 0)"] == ("24 of 24", "3 of 3")
  assert found["11 conv: filters (relu6)"] == ("24 of 24", "1 of 1")


def test_layers_without_filters_have_rows():
  found = cells(RESNET, RESNET)
  assert found["3 pool: max pool (padding 1 1)"] == ("", "3")
  assert found["4 residual: activation (relu)"] == ("", "")
  assert cells(PLAIN, PLAIN)["5 norm: norm (swish)"] == ("", "")


def test_a_removed_residual_block():
  found = cells(RESNET.with_block(3, first=0, second=0), RESNET)
  assert found["4 residual: first"][0] == found["4 residual: add"][0] == "removed"
