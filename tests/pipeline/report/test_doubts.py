"""What of a run is not to be trusted: the last lines of its table, the first of its page."""

import math

import pytest
from report_figures import overview

from nadv2_tf.pipeline.report import doubts, tables


def test_what_is_not_to_be_trusted_ends_the_table(metrics):
  doubt = "The latency table is off by 14%: the device was too busy to tell."
  metrics["table_doubt"] = doubt
  metrics["networks"]["found"]["timing"] = {"doubt": "its repeats lie 50.0% apart"}
  metrics["networks"]["full"]["timing"] = {"doubt": ""}
  assert tables.text_table(overview(metrics)).splitlines()[-2:] == [
    doubt,
    "The device was too busy to time the found network, whose latency is uncertain: its repeats "
    "lie 50.0% apart.",
  ]
  assert doubts.doubt_lines(overview({})) == []
  # Before the finished networks are timed, what the search measured.
  doubted = {"predicted": 1.0, "measured": 1.5, "doubt": "it drifted"}
  confirmed = [{"iteration": 5} | doubted, {"iteration": "found"} | doubted]
  metrics = {"confirmed": confirmed, "networks": {"found": {}}}
  (line,) = doubts.doubt_lines(overview(metrics))
  assert line.startswith("The device was too busy to time the found network")
  metrics["networks"] = {"found": {"timing": {"doubt": ""}}}
  assert doubts.doubt_lines(overview(metrics)) == []
  metrics["networks"]["target_30pct/uniform"] = {"timing": {"doubt": "it drifted"}}
  (line,) = doubts.doubt_lines(overview(metrics))
  assert line.startswith(
    "The device was too busy to time the uniformly scaled network, target 30%, whose latency"
  )


def test_wrong_numbers_of_a_device_end_the_table(metrics):
  outputs = {
    "source": "hold-out images", "images": 8, "delegate": "gpu", "agrees": False,
    "largest_difference": 1.25, "rms_difference": 0.5, "largest_allowed": 0.1, "rms_allowed": 0.02,
  }  # fmt: skip
  metrics["networks"]["found"]["outputs"] = outputs
  metrics["networks"]["full"]["timing"] = {"doubt": "it drifted"}
  told, _ = tables.text_table(overview(metrics)).splitlines()[-2:]
  assert told == (
    "WRONG NUMBERS: with the delegate gpu the device computes something else of the found network: "
    "outputs of 8 hold-out images differ by 1.25, 0.1 allowed, root mean square 0.5, 0.02 allowed."
  )
  metrics["networks"]["full"] = {}
  outputs["largest_difference"] = math.nan
  assert "differ by nan, 0.1 allowed" in doubts.doubt_lines(overview(metrics))[0]
  outputs["agrees"] = True
  assert doubts.doubt_lines(overview(metrics)) == []
  metrics["networks"] = {"target_30pct/found": {"outputs": {"unchecked": "This build cannot."}}}
  assert doubts.doubt_lines(overview(metrics)) == [
    "The outputs of the found network, target 30% on the device were not checked: This build "
    "cannot."
  ]


@pytest.mark.parametrize(
  ("timing", "told"),
  [
    (
      {"delegate": "npu", "nodes": 8, "delegate_nodes": 3, "partitions": 4},
      ["npu executes only 3 of 8 nodes, in 4 partitions (found network)."],
    ),
    ({"delegate": "npu", "nodes": 8, "delegate_nodes": 8, "partitions": 1}, []),
    # A build that prints no numbers.
    (
      {
        "delegate": "gpu",
        "nodes": None,
        "delegate_nodes": None,
        "notes": ["taken 2 times, because at first it drifted", "GPU executes only a part"],
      },
      ["GPU executes only a part (found network)."],
    ),
    ({"delegate": "gpu", "nodes": None, "delegate_nodes": None, "notes": []}, []),
  ],
)
def test_a_delegate_that_left_nodes_to_others_is_told(metrics, timing, told):
  metrics["networks"]["found"]["timing"] = timing
  metrics["networks"]["full"]["timing"] = timing
  assert doubts.doubt_lines(overview(metrics)) == told
  metrics["networks"]["found"] = {
    "devices": {"adb:B": {"latency_ms": 1.0, "limit_ms": None, "timing": timing}}
  }
  assert doubts.doubt_lines(overview(metrics)) == [f"adb:B: {line}" for line in told]
