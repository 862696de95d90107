"""Training and scoring on the JAX backend, without TensorFlow, against TensorFlow's figures."""

import random

import keras
import numpy as np
import pytest
from jax_process import run_on_jax
from shares import one_hot, soft

from nadv2_tf.models import super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator
from nadv2_tf.training.widths import WidthSampler

pytest.importorskip("jax", reason="the JAX backend is an extra: pip install nadv2-tf[jax]")

PROGRAM = """
import numpy as np
from nadv2_tf.models import super_network
from nadv2_tf.spec import NetworkSpec, space_of
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.scoring.masked import MaskedEvaluator
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.widths import WidthSampler

space = space_of(NetworkSpec.from_json(open("tiny.json").read()), levels=2)
data = np.load("inputs.npz")
examples = Examples(data["images"], data["labels"])
task = Classification("demo", 8, 1, 0)
task.quality = lambda targets, outputs: outputs[:, 0] - outputs[:, 1]
model = super_network(space, groups=4)
model.load_weights("before.weights.h5")
calibration = examples.take(slice(16))
specs = [space.decode(row) for row in data["rows"]]
evaluator = MaskedEvaluator(model, task, examples, calibration, 32)
scores = evaluator.accuracy(specs)
own = MaskedEvaluator(model, task, examples, None, 32).accuracy(specs)
racing = MaskedEvaluator(model, task, examples, calibration, 32, shares=(0.25, 0.5, 0.25))
parts = [racing.accuracy(specs, part) for part in range(3)]
pooled = [sum(n * s for n, s in zip(racing.part_sizes, each)) for each in zip(*parts)]
whole = np.multiply(racing.accuracy(specs), sum(racing.part_sizes))
assert np.allclose(pooled, whole, rtol=1e-5, atol=1e-5), (parts, whole)
slopes = [evaluator.loss_slopes(shares, 1, 48) for shares in data["shares"]]
loop = TrainingLoop(model, task, Recipe(1, 16, "sgd", 0.05, l2=0.02), WidthSampler(space, 16, 4))
reports = loop.run(examples, report_every=1)
model.save_weights("after.weights.h5")
np.savez(
  "outputs.npz",
  scores=scores,
  own=own,
  relaxed=[loss for loss, _ in slopes],
  slopes=[each for _, each in slopes],
  losses=[report.loss for report in reports],
  traces=[evaluator.traces, loop.traces],
)
"""


class _Margin(Classification):
  def quality(self, targets, outputs):
    return outputs[:, 0] - outputs[:, 1]


def test_training_and_scoring_agree_with_tensorflow(tmp_path, tiny_space, randomise):
  keras.utils.set_random_seed(1)
  rng = np.random.default_rng(2)
  images = rng.integers(0, 256, (64, 8, 8, 1)).astype(np.uint8)
  examples = Examples(images, rng.integers(0, 2, 64))
  task = _Margin("demo", 8, 1, 0)
  model = randomise(super_network(tiny_space, groups=4), seed=3)
  draws = random.Random(4)
  specs = [tiny_space.sample(draws) for _ in range(4)]
  rows = [tiny_space.encode(spec) for spec in specs]
  shares = np.stack([soft(tiny_space, 5), one_hot(tiny_space, tiny_space.largest())])
  arrays = {"images": images, "labels": examples.labels, "rows": rows, "shares": shares}
  np.savez(tmp_path / "inputs.npz", **arrays)
  model.save_weights(tmp_path / "before.weights.h5")
  (tmp_path / "tiny.json").write_text(tiny_space.network.to_json())
  done = run_on_jax(PROGRAM, tmp_path)
  assert done.returncode == 0, done.stderr[-2000:]
  outputs = np.load(tmp_path / "outputs.npz")
  assert outputs["traces"].tolist() == [1, 1]
  calibration = examples.take(slice(16))
  for name, images in (("scores", calibration), ("own", None)):
    evaluator = SharedWeightsEvaluator(model, task, examples, images, 32)
    expected = evaluator.accuracy(specs)
    # Identity 11: 1e-4.
    np.testing.assert_allclose(outputs[name], expected, atol=1e-4, rtol=1e-4, err_msg=name)
  for number, one in enumerate(shares):
    loss, slopes = evaluator.loss_slopes(one, 1, 48)
    np.testing.assert_allclose(outputs["relaxed"][number], loss, rtol=1e-4)
    np.testing.assert_allclose(outputs["slopes"][number], slopes, atol=1e-4 * np.abs(slopes).max())
  loop = TrainingLoop(
    model, task, Recipe(1, 16, "sgd", 0.05, l2=0.02), WidthSampler(tiny_space, 16, 4)
  )
  losses = [report.loss for report in loop.run(examples, report_every=1)]
  np.testing.assert_allclose(outputs["losses"], losses, rtol=1e-3)
  trained = super_network(tiny_space, groups=4)
  trained.load_weights(tmp_path / "after.weights.h5")
  for one, other in zip(model.trainable_variables, trained.trainable_variables, strict=True):
    np.testing.assert_allclose(other.numpy(), one.numpy(), atol=1e-3, err_msg=one.path)


TINY_BACKBONE = """
from nadv2_tf.backbones.registry import BACKBONES
from nadv2_tf.spec import NetworkSpec, space_of
network = NetworkSpec.from_json(open("tiny.json").read())
BACKBONES.register("tiny")(lambda input_shape=(8, 8, 1), classes=2: space_of(network, levels=2))
"""


def test_train_and_search_run_without_tensorflow(tmp_path, tiny_space):
  rng = np.random.default_rng(0)
  arrays = {}
  for part, count in (("train", 40), ("test", 4)):
    arrays[f"x_{part}"] = rng.integers(0, 256, (count, 8, 8), np.uint8)
    arrays[f"y_{part}"] = np.arange(count) % 2
  np.savez(tmp_path / "tiny.npz", **arrays)
  (tmp_path / "tiny.json").write_text(tiny_space.network.to_json())
  train = ["--data=npz:tiny.npz", "--backbone=tiny", "--image_size=8", "--holdout=8"]
  train += ["--epochs=1", "--full_epochs=0", "--batch_size=8", "--subnetworks_per_batch=4"]
  search = ["--metric=macs", "--target=80%", "--samples_per_iteration=2", "--initial_reduction=0.2"]

  def run(name, flags, output="run"):
    start = f"sys.argv = ['nadv2-{name}', '--output={output}', *{flags!r}]\n"
    start += f"from nadv2_tf.programs import {name}\n{name}.start()\n"
    return run_on_jax(TINY_BACKBONE + start, tmp_path)

  for name, flags in (("train", train), ("search", search)):
    done = run(name, flags)
    assert done.returncode == 0, done.stderr[-2000:]
  assert (tmp_path / "run" / "found.json").exists()
  done = run("export", [])
  assert done.returncode == 1
  assert "error: nadv2-export needs TensorFlow; unset KERAS_BACKEND" in done.stderr
  for flag in ("--execution=sliced", "--distillation=0.5"):
    done = run("train", [*train, flag], output="other")
    assert done.returncode == 1
    assert "error: --execution=sliced needs the TensorFlow backend" in done.stderr
