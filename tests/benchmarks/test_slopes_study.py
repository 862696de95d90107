"""The lines of a comparison of what is followed downhill."""

import pathlib

from nadv2_tf.benchmarks.studies import slopes
from nadv2_tf.search import Differentiable, MultiLayerCoordinateDescent
from nadv2_tf.search.tabular import TabularBenchmark

TABLE = pathlib.Path(__file__).parents[1] / "search" / "data" / "nas_bench_macro_cifar10.csv"


def test_what_each_search_found_is_told():
  bench = TabularBenchmark.from_csv(TABLE)
  chosen = {"surrogate": Differentiable(12, 1, 3, 10, predictor_samples=30)}
  chosen["mcd"] = MultiLayerCoordinateDescent(4)
  told = list(slopes.lines(bench.problem(0.5), chosen, bench, lambda spec: 0.25, [3, 4]))
  assert [line.split()[:3] for line in told] == [
    ["seed", seed, name] for seed in "34" for name in chosen
  ]
  for line in told:
    words = line.replace(",", "").split()
    assert 0.8 < float(words[words.index("hold-out") + 1]) < 1
    assert words[words.index("test") + 1] == "0.250"
    assert 0 < float(words[words.index("MACs") + 1]) <= 0.5


def test_which_searches_there_are():
  found = slopes.searches(7, 5)
  assert found["super_network"].needs and not found["surrogate"].needs
  assert (found["super_network"].descent_steps, found["super_network"].descent_images) == (7, 5)
