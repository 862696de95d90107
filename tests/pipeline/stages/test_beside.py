"""Work beside other work: its result is there afterwards, and its errors are not lost."""

import threading

import pytest

from nadv2_tf.pipeline.stages.beside import Beside


def test_work_goes_on_while_the_block_runs():
  began, may_end = threading.Event(), threading.Event()

  def work():
    began.set()
    assert may_end.wait(10)
    return threading.current_thread().name

  with Beside(work) as beside:
    assert began.wait(10)
    may_end.set()
  assert beside.result() == "beside"
  assert "beside" not in {thread.name for thread in threading.enumerate()}


def test_an_error_is_raised_where_the_result_is_asked_for():
  calls = []

  def work():
    calls.append(threading.current_thread().name)
    raise ValueError("no such images")

  with Beside(work) as beside:
    pass
  with pytest.raises(ValueError, match="no such images"):
    beside.result()
  assert calls == ["beside", "MainThread"]


def test_a_block_that_fails_waits_for_the_thread():
  done = []
  with pytest.raises(KeyError), Beside(lambda: done.append(1)):
    raise KeyError
  assert done == [1]
