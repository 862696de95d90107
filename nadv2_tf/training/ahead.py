"""Takes items of an iterator ahead of time, in a thread of its own."""

import contextlib
import queue
import threading


@contextlib.contextmanager
def ahead(items, count=2):
  """An iterator over `items` of which up to `count` are made while the block does other work.

  What making an item raises is raised where the item would have come. When the block is left,
  `items` is asked for nothing more, and closed if it is a generator.
  """
  made, is_over = queue.Queue(count), threading.Event()

  def put(*entry):
    while not is_over.is_set():
      with contextlib.suppress(queue.Full):
        made.put(entry, timeout=0.1)
        return

  def make():
    try:
      for item in items:
        put(item, None)
        if is_over.is_set():
          return
      put(None, StopIteration())
    except BaseException as error:
      put(None, error)

  def take():
    while True:
      item, error = made.get()
      if isinstance(error, StopIteration):
        return
      if error is not None:
        raise error
      yield item

  # A daemon: a program that is killed by an exception elsewhere does not wait for it.
  thread = threading.Thread(target=make, name="batches ahead", daemon=True)
  thread.start()
  try:
    yield take()
  finally:
    is_over.set()
    thread.join()
    if hasattr(items, "close"):
      items.close()
