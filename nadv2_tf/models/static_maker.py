"""What makers of plain networks share: what is removed is known while they are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.models.wiring import LayerMaker

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping
  from typing import Any

  from nadv2_tf.spec import NetworkSpec


class StaticMaker(LayerMaker):
  """A `LayerMaker` of a plain network.

  Args:
    spec: the `NetworkSpec`.
    branch_rates: see `LayerMaker`.
  """

  def __init__(self, spec: NetworkSpec, branch_rates: Mapping[int, float] | None = None) -> None:
    super().__init__(branch_rates)
    self.spec = spec

  def all_removed(self, fields: tuple[str, ...]) -> bool:
    return all(getattr(self.spec.blocks[self.block_index], field) == 0 for field in fields)

  def choose(self, condition: bool, if_true: Callable[[], Any], if_false: Callable[[], Any]) -> Any:
    return if_true() if condition else if_false()
