"""Takes items of an iterator ahead of time, in a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator
  from typing import Any, TypeVar

  Item = TypeVar("Item")


@contextlib.contextmanager
def ahead(items: Iterable[Item], count: int = 2) -> Iterator[Iterator[Item]]:
  """An iterator over `items` of which up to `count` are made while the block does other work.

  What making an item raises is raised where the item would have come. When the block is left,
  `items` is asked for nothing more, and closed if it is a generator.
  """
  made: queue.Queue[tuple[Any, Any]]  # (item, None), or (None, why there is none)
  made, is_over = queue.Queue(count), threading.Event()

  def put(*entry: Any) -> None:
    while not is_over.is_set():
      with contextlib.suppress(queue.Full):
        made.put(entry, timeout=0.1)
        return

  def make() -> None:
    try:
      for item in items:
        put(item, None)
        if is_over.is_set():
          return
      put(None, StopIteration())
    except BaseException as error:
      put(None, error)

  def take() -> Iterator[Item]:
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
