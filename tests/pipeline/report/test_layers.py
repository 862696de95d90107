"""The report's table of layers."""

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


def test_the_table_of_layers(found, largest):
  header, rows = layers.rows(found, largest)
  assert header[-1] == "initial" and all(len(row) == len(header) for row in rows)
  by_layer = {row[0]: row for row in rows}
  # 4x4 outputs of 3x3 kernels on one channel: 16 x 9 x 6 and x 8.
  assert by_layer["1 conv: filters"][1:3] == ("6 of 8", "3 of 3")
  assert by_layer["1 conv: filters"][4:] == ("4x4x6", "864", "1,152")
  depthwise = by_layer["2 depthwise separable: depthwise"]
  assert depthwise[2] == "3 of 5"
  removed = by_layer["3 depthwise separable: pointwise"]
  assert removed[1:3] == ("removed", "") and removed[6] == "4,096"  # 16 x 16 x 16


def test_milliseconds_of_a_table(found, largest):
  class Table:
    def layer_milliseconds(self, layer):
      return layer.macs() / 1e6

  header, rows = layers.rows(found, largest, Table())
  assert header[-2:] == ["ms", "initial ms"]
  assert rows[0][-2:] == ("0.0009", "0.0012")  # of 864 and 1,152
