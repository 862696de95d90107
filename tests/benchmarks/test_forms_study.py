"""The study of forms: which first steps raise the latency, by hand."""

from form_tables import NETWORK, table

from nadv2_tf.benchmarks.studies.forms import step_lines
from nadv2_tf.spec import space_of


def test_a_bypass_that_costs_more_than_its_filters_raises_the_latency():
  network = NETWORK.with_block(0, filters=8).with_block(1, filters=8, bypass_cap=8)
  # A step down saves 0.02 ms, and a bypass takes 0.05.
  (line,) = step_lines(space_of(network, 4), table(bypass=0.05))
  assert line.split(":")[1] == " 1 of 2 as they are, 0 in their fastest form"
