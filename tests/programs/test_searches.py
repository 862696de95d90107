"""Every way to search, by command, from a trained super-network to a found network's file."""

import json
import shutil

import pytest
import short_backbone

from nadv2_tf.regressor import Regressor
from nadv2_tf.resources.predictor import Encoding, LatencyPredictor

#: {--search_optimizer, and in which form: its smallest settings}; those that other tests of
#: commands run are not here
SEARCHES = {
  "differentiable": [
    *("--surrogate_samples=3", "--refits=1", "--refit_samples=2", "--descent_steps=10"),
    *("--predictor_samples=20", "--slopes=surrogate"),
  ],
  "differentiable in the super-network": [
    *("--refit_samples=2", "--descent_steps=2", "--predictor_samples=20"),
    *("--slopes=super_network", "--descent_images=4"),
  ],
  "differentiable by a predictor": [
    *("--refit_samples=2", "--descent_steps=2", "--predictor_samples=2", "--descent_images=4"),
  ],
  "fp_nas": ["--search_steps=2", "--samples_per_nat=0.01"],
  "hurricane": ["--population=2", "--mutations=1", "--crossovers=1", "--generations=2"],
  "flash": ["--flash_samples=4", "--width_levels=1"],
  "integer_program": ["--width_levels=1", "--program_rounds=1", "--program_solutions=1"],
  "layernas": ["--buckets=2", "--width_levels=2"],
}


#: the metric of those that are not searched with MACs; {} is a predictor's file
METRICS = {
  "differentiable by a predictor": ("latency_ms", "--device=predictor:{}"),
  "fp_nas": ("fpga_ms", "--fpga=zu3eg"),
}


#: those that tell figures of themselves
TELLING = {"differentiable", "flash", "fp_nas"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The folder that one `nadv2-train` left, for all; empty before the first of them ran it."""
  return tmp_path_factory.mktemp("trained") / "run"


@pytest.mark.parametrize("case", sorted(SEARCHES))
def test_a_search_ends_with_a_file(case, run_command, small, output, trained):
  name = case.split()[0]

  def does(command, *flags, path=output):
    status, stdout, stderr = run_command(command, f"--output={path}", *flags, short=True)
    assert status == 0, stderr
    return stdout

  if not trained.exists():
    flags = ("--epochs=0", "--full_epochs=0")
    does("train", short_backbone.FLAG, *_embedded(small), *flags, path=trained)
  shutil.copytree(trained, output)
  metric, *device = METRICS.get(case, ("macs",))
  predictor = output / "predictor.json"
  predictor.write_text(_predictor().to_json())
  search = [
    f"--metric={metric}",
    *(flag.format(predictor) for flag in device),
    "--target=60%",
    f"--search_optimizer={name}",
    *SEARCHES[case],
  ]
  assert "the found network is in" in does("search", *search)
  does("finetune", "--finetune_epochs=0")
  does("export")
  assert (output / "found.tflite").stat().st_size > 0
  settings = json.loads((output / "run.json").read_text())["search"]
  assert settings["search_optimizer"] == name
  metrics = json.loads((output / "metrics.json").read_text())
  assert metrics["metric"]["predicted"] <= metrics["metric"]["target"]
  assert metrics["metric"]["name"] == metric
  told = [json.loads(line).get("notes", {}) for line in (output / "search.jsonl").open()]
  assert metrics.get("search_notes", {}) == {k: v for notes in told for k, v in notes.items()}
  assert ("search_notes" in metrics) == (name in TELLING)


def test_a_run_that_trains_for_each_half_ends_with_a_file(run_command, small, output):
  status, stdout, stderr = run_command(
    "run",
    *(short_backbone.FLAG, *_embedded(small), f"--output={output}"),
    *("--metric=macs", "--target=60%", "--search_optimizer=hurricane", *SEARCHES["hurricane"]),
    # Of 12 000 images two steps of four each.
    *("--full_epochs=0", "--half_epochs=0.0007", "--finetune_epochs=0"),
  )
  assert status == 0, stderr
  assert "super-network, later half: 8/8 images" in stdout
  assert "super-network, earlier half: 8/8 images" in stdout
  assert (output / "found.tflite").stat().st_size > 0
  metrics = json.loads((output / "metrics.json").read_text())
  assert metrics["metric"]["predicted"] <= metrics["metric"]["target"]
  stages = list(json.loads((output / "stages.json").read_text()))
  halves = ["train", "train later half", "search later half", "train earlier half", "search"]
  assert [name for name in stages if name in halves] == halves


def _predictor():
  """Of the short backbone: a root that grows with every width, from a half on."""
  space = short_backbone.space()
  encoding = Encoding.of(space)
  bias = 0.5 - sum(encoding.features(space.smallest()))
  return LatencyPredictor(encoding, Regressor([([[1.0]] * encoding.size, [bias])]))


def _embedded(small):
  """The flags with the images that come with the package instead of a file's."""
  return ["--data=demo" if flag.startswith("--data=") else flag for flag in small]
