"""Planned beside taken."""

from nadv2_tf.benchmarks.studies import plan


def test_a_plan_is_read_and_held_against_a_run():
  text = (
    "start  4 s  4.1 s\ntrain  12 min  3 steps x 1 s\nfinetune found  2.0 h  x\n"
    "search  done\nall  100 s\n"
  )
  assert plan.planned(text) == {"start": 4, "train": 720, "finetune found": 7200, "all": 100}
  parts = {"steps": [30.0, 50.0], "rest": [10.0, 9.0]}
  taken = plan.taken({"train": parts, "search": parts}, confirm=15.0)
  assert taken == {"train": 40, "search": 25, "confirm": 15, "all": 80}
  lines = plan.table({"train": 49.0, "search": 50.0, "confirm": 9.0, "all": 80.0}, taken)
  assert [line.split()[1:] for line in lines[1:]] == [
    ["49.0", "40.0", "1.23"],
    ["50.0", "25.0", "2.00", "OFF"],
    ["9.0", "15.0"],
    ["80.0", "80.0", "1.00"],
  ]
