"""The study of how a search with given weights begins: its two tables by hand."""

from nadv2_tf.benchmarks.studies.beginnings import order_lines, tau_lines


def test_orders():
  scores = {("readers", 0.0): [0.4, 0.6], ("readers", 1.0): [0.7, 0.7]}
  (*_, row) = order_lines(scores | {("taylor", 0.0): [0.1, 0.3], ("taylor", 1.0): [0.2, 0.4]})
  assert row.split() == ["taylor", "20.00%", "±10.00", "30.00%", "±10.00"]
  assert [line.split()[0] for line in list(order_lines(scores))[2:]] == ["readers"]


def test_tau():
  made = {
    0.0: {"scores": [0.1, 0.2, 0.3, 0.4], "seconds": [0.2]},
    2.0: {"scores": [0.4, 0.3, 0.2, 0.1], "seconds": [33.0]},
  }
  head, _, none, two, mean = tau_lines(made, [0.5, 0.6, 0.7, 0.8])
  assert "4 sub-networks" in head and mean.endswith("65.00%")
  assert none.split()[:2] == ["0", "1.00"] and none.split()[-2:] == ["25.00%", "0"]
  assert two.split()[:2] == ["2", "-1.00"] and two.split()[-1] == "33"
