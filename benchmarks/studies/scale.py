"""The tables of docs/scale.md: the paper's ImageNet runs on 1, 8 and 64 accelerators, on paper.

  python -m nadv2_tf.benchmarks.studies.scale

Nothing is measured: see `pipeline/plan/accelerators.py` for what follows from what.
"""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.programs import run

if TYPE_CHECKING:
  from collections.abc import Iterable

  from nadv2_tf.options import RunOptions
  from nadv2_tf.pipeline.plan.estimate import Stage

PRESETS = ("imagenet_latency", "imagenet_mac")
ACCELERATORS, IMAGES_PER_SECOND = (1, 8, 64), 300.0
COLUMNS = ("super-network", "samples", "found network", "rest", "all")


def hours(stages: Iterable[Stage]) -> list[float]:
  """Hours of each of `COLUMNS`."""
  seconds = {stage.name: stage.seconds for stage in stages}
  parts = [seconds.pop(name, 0.0) for name in ("train", "search", "finetune found")]
  rest = sum(seconds.values())
  return [value / 3600 for value in (*parts, rest, sum(parts) + rest)]


def table(given: RunOptions) -> list[str]:
  """Markdown lines: hours by number of accelerators; `given` is a `RunOptions`."""
  from nadv2_tf import backbones
  from nadv2_tf.pipeline.plan.accelerators import Accelerators, images_of, plan_of

  space = backbones.search_space(given.network.backbone)
  images = images_of(given.network.data, given.network.holdout)
  lines = [f"| accelerators | {' | '.join(COLUMNS)} |", "|---:" * (len(COLUMNS) + 1) + "|"]
  for count in ACCELERATORS:
    stages, *_ = plan_of(given, space, images, Accelerators(count, IMAGES_PER_SECOND))
    cells = [f"{value:.1f}" for value in hours(stages)]
    lines.append(f"| {count} | {' | '.join(cells)} |")
  return lines


def main(_: list[str]) -> None:
  from nadv2_tf import flags as package

  folder = pathlib.Path(package.__file__).parent / "presets"
  for preset in PRESETS:
    flags.FLAGS.unparse_flags()
    flags.FLAGS([sys.argv[0], f"--flagfile={folder / preset}.flags", "--output=unused"])
    print(f"{preset}\n\n{chr(10).join(table(run.options()))}\n")


if __name__ == "__main__":
  run.define_flags()
  flags.FLAGS.set_default("output", "unused")
  app.run(main)
