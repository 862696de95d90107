"""Items that are made ahead come in order, with their errors, and no thread is left."""

import threading

import pytest

from nadv2_tf.training.ahead import ahead


def _threads():
  return [thread for thread in threading.enumerate() if thread.name == "batches ahead"]


def test_all_items_come_in_order():
  with ahead(iter(range(10))) as items:
    assert list(items) == list(range(10))
  assert _threads() == []


def test_items_are_made_while_the_block_is_busy_but_not_without_end():
  made, two = [], threading.Event()

  def numbers():
    for number in range(100):
      made.append(number)
      if number == 2:
        two.set()
      yield number

  with ahead(numbers(), count=2) as items:
    assert two.wait(10)  # nobody has asked for one yet
    assert next(items) == 0
  assert len(made) <= 5 and _threads() == []


def test_an_error_comes_after_the_items_before_it():
  def numbers():
    yield 1
    raise ValueError("no second one")

  with ahead(numbers()) as items:
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second one"):
      next(items)


def test_a_generator_is_closed_when_the_block_is_left_by_an_error():
  closed = []

  def numbers():
    try:
      while True:
        yield 0
    finally:
      closed.append(True)

  with pytest.raises(KeyError), ahead(numbers()) as items:
    next(items)
    raise KeyError
  assert closed == [True] and _threads() == []
