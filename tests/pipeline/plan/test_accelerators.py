"""Plans on paper."""

import dataclasses
import types

import pytest

from nadv2_tf import backbones
from nadv2_tf.options import ExportOptions, FinetuneOptions, TrustOptions
from nadv2_tf.pipeline.plan import accelerators, paper
from nadv2_tf.pipeline.plan.accelerators import Accelerators, images_of, parse
from nadv2_tf.search.distribution import Distribution

SPACE = backbones.search_space("mobilenet_v3_cifar")


@pytest.fixture
def given(options):
  train = types.SimpleNamespace(
    epochs=10, full_epochs=2, batch_size=100, optimizer="sgd", learning_rate=0.1, schedule="cosine",
    weight_decay=0, decay=1, decay_epochs=1, ema=0, mixed_precision="none", augmentation="shift",
    stochastic_depth=0.0, execution="masked", order="paper", l2=0.0, mirror=True,
    full_learning_rate=0.2,
  )  # fmt: skip
  return types.SimpleNamespace(
    train=train, search=options("macs", target="40%"),
    finetune=FinetuneOptions(5, 0.1, finetune_holdout=False),
    references=True, trust=TrustOptions(), export=ExportOptions(),
  )  # fmt: skip


def plan_of(given, text="1 x 100 images/s"):
  images = {"train": 1000, "holdout": 344, "test": 50}
  stages, counts, simulation = accelerators.plan_of(given, SPACE, images, parse(text))
  return {stage.name: stage.seconds for stage in stages}, counts, simulation


def test_the_form():
  assert parse("8 x 300 images/s") == parse(" 8x300.0images/s") == Accelerators(8, 300.0)


@pytest.mark.parametrize(
  "text", ["8", "8 x 300", "0 x 300 images/s", "8 x 0 images/s", "x images/s"]
)
def test_another_form_is_told(text):
  with pytest.raises(ValueError, match="such as '8 x 300 images/s'; got "):
    parse(text)


def test_known_data_and_given_numbers():
  assert images_of("tfds:imagenet2012", 10000)["train"] == 1271167
  assert images_of("folder:x", 100, 5000) == {"train": 4900, "holdout": 100, "test": 0}
  with pytest.raises(ValueError, match="give --plan_images"):
    images_of("folder:x", 100)
  with pytest.raises(ValueError, match="--holdout=100 leaves none"):
    images_of("folder:x", 100, 100)


def test_trainings_go_by_images_and_macs(given):
  found, counts, simulation = plan_of(given)
  assert (counts.full_steps, counts.steps, counts.finetune_steps) == (20, 80, 50)
  layers = paper._layers(SPACE.largest())
  # 100 steps of 100 images at 100 images/s, and the trace.
  assert found["train"] == pytest.approx(100 + paper.SUPER_TRACE * layers)
  share = simulation.found[0].macs() / SPACE.largest().macs()
  assert share == pytest.approx(0.4, abs=0.02)
  images = (2 * 344 + 50) / 300
  assert found["finetune full"] == pytest.approx(50 + paper.PLAIN_TRACE * layers + images)
  assert found["finetune found"] == pytest.approx(
    50 * share + paper.PLAIN_TRACE * paper._layers(simulation.found[0]) + share * images
  )
  # 600 images forward at 300 images/s, of networks from the full one to the found one.
  sample = 600 / 300 * (1 + share) / 2 + paper.PROPOSE
  assert found["search"] == pytest.approx(counts.samples * sample)


def test_a_full_network_that_is_trained_first_has_a_stage_of_its_own(given):
  given.train.order = "full_first"
  given.finetune = dataclasses.replace(
    given.finetune, finetune_holdout=True, finetune_batch_size=200
  )
  found, counts, simulation = plan_of(given)
  assert (counts.plain_full_steps, counts.full_steps, counts.steps) == (20, 0, 100)
  assert counts.finetune_steps == 5 * (1344 // 200)
  layers = paper._layers(SPACE.largest())
  trace = paper.PLAIN_TRACE * layers
  assert found["train full"] == pytest.approx(20 + trace + (344 + 50) / 300)
  assert "finetune full" not in found
  share = simulation.found[0].macs() / SPACE.largest().macs()
  trace = paper.PLAIN_TRACE * paper._layers(simulation.found[0])
  # Steps of twice as many images.
  assert found["finetune found"] == pytest.approx(
    30 * 2 * share + trace + share * (2 * 344 + 50) / 300
  )


def test_in_turn_a_step_runs_all_its_networks_on_half_of_the_images(given, options):
  given.train.order, given.train.subnetworks_per_batch = "full_first", 4
  entropy = Distribution.factorised(SPACE).entropy()
  given.search = options(
    "macs",
    search_optimizer="fp_nas",
    shared_weights="in_turn",
    samples_per_nat=20 / entropy,
    target="60%,50%",
  )
  _, counts, simulation = plan_of(given)
  # 10 epochs of 5 steps, each of 10 networks on average, on 25 images each: 2.5 batches, which go
  # forward once more for the distribution.
  assert counts.steps == round(50 * 2.5 * 4 / 3)
  assert (counts.iterations, counts.samples) == (2, 2)
  few = options("macs", search_optimizer="fp_nas", shared_weights="in_turn", samples_per_nat=1e-3)
  given.search = few
  assert plan_of(given)[1].steps == round(50 * 4 / 3)


def test_more_accelerators_train_and_score_faster(given):
  (one, counts, _), (eight, _, _) = plan_of(given), plan_of(given, "8 x 100 images/s")
  assert one["train"] - eight["train"] == pytest.approx(100 * 7 / 8)
  # Of 24 samples each of eight accelerators scores three; proposing them takes what it takes.
  proposals = counts.samples * paper.PROPOSE
  assert one["search"] - proposals == pytest.approx(8 * (eight["search"] - proposals))


def test_steps_downhill_run_on_one_accelerator(given, options):
  settings = {"search_optimizer": "differentiable", "descent_steps": 30, "descent_images": 20}
  given.search = options("macs", target="60%,50%", **settings)
  eight, counts, _ = plan_of(given, "8 x 100 images/s")
  # Two targets, nine weights at most of each; 20 images at 100 a second.
  assert counts.descent_steps == 2 * 9 * 30 and (counts.iterations, counts.samples) == (4, 20)
  assert eight["search"] > 2 * 9 * 30 * 20 / 100
  given.search = options("macs", target="60%,50%", slopes="surrogate", **settings)
  _, counts, _ = plan_of(given)
  # Two rounds of a hundred networks, for each target four refits of ten and what is found.
  assert counts.descent_steps == 0 and (counts.iterations, counts.samples) == (12, 180)


@pytest.mark.parametrize(
  "optimizer", ["mcd", "scd", "random", "evolution", "hurricane", "layernas", "uniform"]
)
@pytest.mark.parametrize("metric", ["macs", "latency_ms"])
def test_every_search_has_a_plan(given, options, optimizer, metric):
  given.search = options(metric, search_optimizer=optimizer, target="60%,50%")
  simulation = paper.simulation_on_paper(given.search, SPACE)
  assert simulation.samples >= simulation.iterations > 0
  largest = SPACE.largest().macs()
  shares = [spec.macs() / largest for spec in simulation.found]
  assert shares == pytest.approx([0.6, 0.5], abs=0.02)


def test_the_schedule_gives_the_iterations(given):
  # 20 %, then 19.6 %, 19.208 %, ... until 60 % are off: the fourth passes 40 %.
  assert paper.simulation_on_paper(given.search, SPACE).iterations == 4
  slower = dataclasses.replace(given.search, optimizer_settings={"initial_reduction": 0.3})
  assert paper.simulation_on_paper(slower, SPACE).iterations == 3
