"""A table of names; an unknown name lists the known ones."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator
  from typing import Any, TypeVar

  Item = TypeVar("Item")


class Registry:
  """Maps names to values of one kind, such as block kinds or backbones."""

  def __init__(self, kind: str) -> None:
    self._kind = kind
    self._items: dict[str, Any] = {}

  def register(self, name: str) -> Callable[[Item], Item]:
    """Decorator that enters what it decorates under `name`."""

    def enter(item: Item) -> Item:
      if name in self._items:
        raise ValueError(f"The {self._kind} {name!r} is registered already.")
      self._items[name] = item
      return item

    return enter

  @contextlib.contextmanager
  def registered(self, name: str, item: Any) -> Iterator[None]:
    """`item` stands under `name` while the block runs, in the place of what may stand there."""
    before = dict(self._items)
    self._items[name] = item
    try:
      yield
    finally:
      self._items = before

  def __getitem__(self, name: str) -> Any:
    try:
      return self._items[name]
    except (KeyError, TypeError):
      known = ", ".join(sorted(self._items))
      raise ValueError(f"Unknown {self._kind} {name!r}. Known: {known}.") from None

  def __contains__(self, name: object) -> bool:
    return name in self._items

  def __iter__(self) -> Iterator[str]:
    return iter(sorted(self._items))


def load_modules(package: str, path: Iterable[str]) -> None:
  """Imports every module of a package, which then have registered what they bring.

  Args:
    package: its name.
    path: its `__path__`.
  """
  for module in pkgutil.iter_modules(path):
    importlib.import_module(f"{package}.{module.name}")
