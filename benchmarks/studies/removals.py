"""What it costs to remove one layer, beyond what its smallest width costs.

  python -m nadv2_tf.benchmarks.studies.removals --run=RUN --output=FOLDER --epochs=0,0.1,1,4

RUN is a finished run whose full network was trained first. For each of --epochs a super-network
that begins with that network is trained for so long, and its sub-networks are scored as a search
does, on all images of the hold-out: the full network, and for every layer that can be removed the
full network with that layer at its smallest width, and without it.

What stands in --output is not measured again.
"""

from __future__ import annotations

import datetime
import math
import pathlib
from typing import TYPE_CHECKING, NamedTuple

from absl import app, flags

from nadv2_tf.benchmarks.studies.cells import check_same, in_file
from nadv2_tf.benchmarks.timing.devices.host import processor_name

if TYPE_CHECKING:
  from collections.abc import Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.studies.peer_networks import Setting
  from nadv2_tf.spec import NetworkSpec, SearchSpace

FLAGS = flags.FLAGS
#: layers that the table names, the dearest first
SHOWN = 5


class Pair(NamedTuple):
  """A layer that can be removed; both networks are the full one but for it."""

  name: str
  smallest: NetworkSpec
  removed: NetworkSpec


def define_flags() -> None:
  flags.DEFINE_string("run", None, "Folder of a finished run.", required=True)
  flags.DEFINE_string("output", None, "Folder of what was measured.", required=True)
  flags.DEFINE_list("epochs", ["0", "0.1", "1", "4"], "Of the super-network's training.")


def main(arguments: list[str]) -> None:
  del arguments
  from nadv2_tf.benchmarks.studies import peers

  folder = pathlib.Path(FLAGS.output)
  check_same(folder, {"run": str(pathlib.Path(FLAGS.run).resolve())})
  setting = peers.opened(FLAGS.run)
  pairs = pairs_of(setting.bench.space)

  def scored(epochs: str) -> dict[str, Any]:
    path = folder / f"epochs_{float(epochs):g}.json"
    return in_file(path, lambda: _scored(setting, pairs, float(epochs)))

  found = {epochs: scored(epochs) for epochs in FLAGS.epochs}
  print(f"$ python -m nadv2_tf.benchmarks.studies.removals --epochs={','.join(FLAGS.epochs)}")
  print(f"{datetime.date.today()}, {processor_name()}")
  for line in lines(found, len(setting.bench.datasets.holdout)):
    print(line)


def pairs_of(space: SearchSpace) -> list[Pair]:
  """A `Pair` for every width that may be 0."""
  row, pairs = list(space.encode(space.largest())), []
  for column, decision in enumerate(space.decisions):
    if decision.kind == "width" and decision.choices[0] == 0:
      specs = [
        space.decode(tuple([*row[:column], width, *row[column + 1 :]]))
        for width in (decision.choices[1], 0)
      ]
      pairs.append(Pair(decision.name, *specs))
  return pairs


def lines(found: Mapping[str, Mapping[str, Any]], images: int) -> Iterator[str]:
  """The study's table.

  Args:
    found: {epochs: {"full": its score, "layers": {name: (at its smallest width, without it)},
      "seconds" of the training}}.
    images: of the hold-out.
  """
  error = 100 * math.sqrt(0.25 / images)
  yield f"hold-out accuracy in percent, {images} images: a standard error of {error:.1f} at most"
  for epochs, scores in found.items():
    full, layers = scores["full"], scores["layers"]
    costs = {name: 100 * (smallest - gone) for name, (smallest, gone) in layers.items()}
    dearest = sorted(costs, key=costs.__getitem__, reverse=True)
    yield ""
    yield (
      f"{epochs} epochs of the super-network ({scores['seconds']:.0f} s): full network {full:.2%}, "
      f"{sum(cost > 10 for cost in costs.values())} of {len(costs)} layers cost more than 10 points"
    )
    yield f"  {'layer':28s}{'at smallest':>12s}{'removed':>9s}{'points':>8s}"
    for name in dearest[:SHOWN]:
      smallest, gone = layers[name]
      yield f"  {name:28s}{smallest:12.2%}{gone:9.2%}{costs[name]:8.1f}"


def _scored(setting: Setting, pairs: Sequence[Pair], epochs: float) -> dict[str, Any]:
  from nadv2_tf.benchmarks.studies.super_networks import scores_of, trained_from_full

  model, seconds = trained_from_full(setting, epochs)
  specs = [one for pair in pairs for one in (pair.smallest, pair.removed)]
  full, *rest = scores_of(setting, model, [setting.bench.space.largest(), *specs])
  both = zip(rest[::2], rest[1::2], strict=True)
  layers = {pair.name: values for pair, values in zip(pairs, both, strict=True)}
  return {"full": full, "layers": layers, "seconds": seconds}


if __name__ == "__main__":
  define_flags()
  app.run(main)
