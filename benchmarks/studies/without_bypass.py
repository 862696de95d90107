"""nadv2-run with backbones that have no channel-level bypass connections.

  python -m nadv2_tf.benchmarks.studies.without_bypass --backbone=mobilenet_v3_demo_no_cbc ...

Every backbone NAME is there as NAME_no_cbc, of which no layer can be removed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nadv2_tf.backbones import BACKBONES
from nadv2_tf.benchmarks.studies import spaces
from nadv2_tf.programs import run

if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any

  from nadv2_tf.spec import SearchSpace

ENDING = "_no_cbc"


def register() -> None:
  """Registers NAME_no_cbc for every backbone."""
  for name in list(BACKBONES):
    BACKBONES.register(f"{name}{ENDING}")(functools.partial(_made, BACKBONES[name]))


def _made(backbone: Callable[..., SearchSpace], **arguments: Any) -> SearchSpace:
  return spaces.without_bypass(backbone(**arguments))


if __name__ == "__main__":
  register()
  run.start()
