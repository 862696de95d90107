"""A meter that remembers what it gave."""

from collections.abc import Callable
from typing import TypeAlias

from nadv2_tf.spec import NetworkSpec, SearchSpace

#: a network, as its space encodes it
Widths: TypeAlias = tuple[int, ...]


class AskedOnce:
  """A meter that is not exact, asked once for each network of a space.

  Args:
    unit: of its values.
    space: two networks that it encodes alike are one.
    ask: function (the network encoded, the network) -> its value, called for what is not known.
  """

  is_exact = False

  def __init__(
    self, unit: str, space: SearchSpace, ask: Callable[[Widths, NetworkSpec], float]
  ) -> None:
    self.unit = unit
    self._encode = space.encode
    self._ask = ask
    #: {the network encoded: its value}
    self.known: dict[Widths, float] = {}

  def measure(self, spec: NetworkSpec) -> float:
    key = self._encode(spec)
    if key not in self.known:
      self.known[key] = self._ask(key, spec)
    return self.known[key]
