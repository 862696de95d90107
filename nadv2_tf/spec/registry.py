"""A table of names; an unknown name lists the known ones."""


class Registry:
  """Maps names to values of one kind, such as block kinds or backbones."""

  def __init__(self, kind):
    self._kind = kind
    self._items = {}

  def register(self, name):
    """Decorator that enters what it decorates under `name`."""

    def enter(item):
      if name in self._items:
        raise ValueError(f"The {self._kind} {name!r} is registered already.")
      self._items[name] = item
      return item

    return enter

  def __getitem__(self, name):
    try:
      return self._items[name]
    except (KeyError, TypeError):
      known = ", ".join(sorted(self._items))
      raise ValueError(f"Unknown {self._kind} {name!r}. Known: {known}.") from None

  def __contains__(self, name):
    return name in self._items

  def __iter__(self):
    return iter(sorted(self._items))
