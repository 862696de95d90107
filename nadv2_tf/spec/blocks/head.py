"""What ends a classifier."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nadv2_tf.spec import checks
from nadv2_tf.spec.blocks.base import KINDS, Block, Filters, later

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec.blocks.base import Maker


@KINDS.register("head")
@dataclasses.dataclass(frozen=True)
class Head(Block):
  """Global average pool, an optional 1x1 layer without batch norm, dropout, the classifier.

  Outputs logits. `hidden` None: no 1x1 layer. Without `pool` the classifier sees all pixels side by
  side (Keras's Flatten and Dense), as a convolution over all of them.
  """

  classes: int
  hidden: int | None = None
  activation: str = "hard_swish"
  bypass_cap: int | None = 0
  dropout: float = 0.0
  pool: bool = later(True)

  kind = "head"
  width_fields = ("hidden",)

  def __post_init__(self) -> None:
    checks.width("classes", self.classes, low=2)
    checks.optional_width("hidden", self.hidden)
    checks.one_of("activation", self.activation, checks.ACTIVATIONS)
    checks.optional_width("bypass_cap", self.bypass_cap)
    checks.fraction("dropout", self.dropout)
    checks.boolean("pool", self.pool)
    if not self.pool and self.hidden is not None:
      raise ValueError(f"hidden must be None in a head that does not pool, got {self.hidden}.")

  def wire(self, make: Maker, x: Any) -> Any:
    if self.pool:
      x = make.global_pool(x)
    if self.hidden is not None:
      x = make.convolution(
        x,
        Filters(
          "hidden",
          self.hidden,
          activation=self.activation,
          bypass_cap=self.bypass_cap,
          batch_norm=False,
        ),
      )
    return make.classifier(make.dropout(x, self.dropout), self.classes)
