"""Whether the samples of a run race, and what is said of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nadv2_tf.search import OPTIMIZERS, Race
from nadv2_tf.search.race import may_race

if TYPE_CHECKING:
  from collections.abc import Sequence

  from nadv2_tf.options import SearchOptions

#: a race over fewer hold-out images would drop the best network by chance
FEWEST_TO_RACE = 400


def race_of(options: SearchOptions, holdout: int) -> Race | None:
  """The `Race` of a search, or None if there is none.

  Args:
    options: `SearchOptions`.
    holdout: how many images the hold-out has.
  """
  races = options.race and may_race(OPTIMIZERS[options.search_optimizer])
  return Race() if races and holdout >= FEWEST_TO_RACE else None


def describe(race: Race, amount: tuple[int, int], sizes: Sequence[int]) -> str:
  """A race in words; `amount` is about how many (iterations, samples) the search has."""
  iterations, samples = amount
  first, kept, finalists = race.entrants(math.ceil(samples / max(iterations, 1)))
  return (
    f"of {first} samples, all are scored on {sizes[0]} images, the best {kept} on {sizes[1]} "
    f"more, the best {finalists} on the last {sizes[2]}"
  )
