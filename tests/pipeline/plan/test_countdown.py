"""What is left of a run, as stages end, and how a bar says it."""

import io

import pytest

from nadv2_tf.pipeline import progress
from nadv2_tf.pipeline.plan.countdown import Countdown
from nadv2_tf.pipeline.plan.estimate import Stage


class Clock:
  now = 0.0

  def __call__(self):
    return self.now


def stages(**seconds):
  return [Stage(name.replace("_", " "), value, "") for name, value in seconds.items()]


def test_later_stages_are_rescaled_by_what_earlier_ones_took():
  clock, countdown = Clock(), Countdown(stages(train=100, search=40, confirm=10, report=5))
  with countdown.stage("train", clock):
    assert countdown.after_this() == 55
    clock.now += 200
  with countdown.stage("search", clock):
    assert countdown.after_this() == pytest.approx(5 * 2)  # 200 s taken for 100 planned
    clock.now += 25
  with countdown.stage("report", clock):
    assert countdown.after_this() == 0
  assert countdown.ratio == pytest.approx(225 / 155)  # the report took none of its 5


def test_a_stage_that_comes_twice_is_half_over_after_the_first():
  clock, countdown = Clock(), Countdown(stages(finetune_found=60, time=6), {"finetune found": 2})
  with countdown.stage("finetune found", clock):
    assert countdown.after_this() == 36
    clock.now += 30
  with countdown.stage("finetune found", clock):
    assert countdown.after_this() == 6


def test_what_was_not_planned_says_nothing_of_the_plan():
  clock, countdown = Clock(), Countdown(stages(train=10, search=20))
  with countdown.stage("between", clock):
    clock.now += 99
  assert countdown.ratio == 1 and countdown.after_this() == 30


def test_lines_count_down_to_the_end_of_the_run(monkeypatch):
  monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
  clock, stream = Clock(), io.StringIO()
  monkeypatch.setattr(progress.time, "monotonic", clock)
  told, countdown = progress.Progress(stream), Countdown(stages(train=20, search=150))
  with told.bar("alone", 10, "images") as bar:
    clock.now = 4.0
    bar(4, "loss 1")
  told.counts_down(countdown)
  with countdown.stage("train", clock), told.bar("train", 10, "images") as bar:
    clock.now += 4.0
    bar(4, "loss 1")
  assert stream.getvalue().splitlines() == [
    "  alone: 4/10 images, 1.0/s, 6 s left, loss 1",
    "  train: 4/10 images, 1.0/s, 6 s left, 3 min to the end of the run, loss 1",
  ]
