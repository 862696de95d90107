"""Mixed precision and XLA: the same training, to their rounding; what is refused."""

import dataclasses

import keras
import numpy as np
import pytest

from nadv2_tf.models import stand_alone, super_network
from nadv2_tf.tasks.classification import Classification
from nadv2_tf.tasks.examples import Examples
from nadv2_tf.training.loop import TrainingLoop
from nadv2_tf.training.recipe import Recipe
from nadv2_tf.training.steps.execution import check_execution
from nadv2_tf.training.steps.precision import computing_in
from nadv2_tf.training.widths import WidthSampler

RECIPE = Recipe(1, 16, "sgd", 0.02, weight_decay=0.0)


def losses(space, mixed_precision="none", jit_compile=False):
  """Losses of four steps, the trained model, and its optimizer's loss scale if it has one."""
  rng = np.random.default_rng(0)
  examples = Examples(rng.integers(0, 256, (64, 8, 8, 1)).astype(np.uint8), rng.integers(0, 2, 64))
  keras.utils.set_random_seed(1)
  with computing_in(mixed_precision):
    model = super_network(space, groups=4)
  recipe = dataclasses.replace(RECIPE, mixed_precision=mixed_precision)
  loop = TrainingLoop(
    model,
    Classification("demo", 8, 1, 0),
    recipe,
    WidthSampler(space, 16, 4),
    jit_compile=jit_compile,
  )
  return [report.loss for report in loop.run(examples, report_every=1)], model


@pytest.fixture(scope="module")
def in_float32(tiny_space):
  return losses(tiny_space)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.05), ("float16", 0.01)])
def test_half_precision_trains_like_float32(tiny_space, in_float32, precision, tolerance):
  half, model = losses(tiny_space, precision)
  # bfloat16 has 8 significant bits, float16 has 11; a dozen layers add their roundings up.
  np.testing.assert_allclose(half, in_float32[0], rtol=tolerance)
  assert half != in_float32[0]  # or nothing was computed in half precision
  assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
  for one, other in zip(model.trainable_variables, in_float32[1].trainable_variables, strict=True):
    np.testing.assert_allclose(one.numpy(), other.numpy(), atol=0.05, err_msg=one.path)


def test_compiled_step_is_the_same_step(tiny_space, in_float32):
  np.testing.assert_allclose(losses(tiny_space, jit_compile=True)[0], in_float32[0], rtol=1e-4)


def test_float16_scales_the_loss(tiny_space):
  recipe = dataclasses.replace(RECIPE, mixed_precision="float16", ema=0.9)
  model = stand_alone(tiny_space.largest())
  optimizer = recipe.make_optimizer(64, model.trainable_variables)
  assert float(optimizer.scale_loss(1.0)) == 2**15
  optimizer.finalize_variable_values(model.trainable_variables)


def test_policy_is_put_back():
  with pytest.raises(RuntimeError), computing_in("bfloat16"):
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    raise RuntimeError
  assert keras.config.dtype_policy().name == "float32"


def test_what_does_not_go_together_is_refused(tiny_space):
  sampler = WidthSampler(tiny_space, 16, 4)
  with pytest.raises(ValueError, match="--jit_compile needs --execution=masked"):
    check_execution("sliced", sampler, jit_compile=True)
  with pytest.raises(ValueError, match="--mixed_precision=bfloat16 needs --execution=masked"):
    check_execution("sliced", sampler, mixed_precision="bfloat16")
  with pytest.raises(ValueError, match="--mixed_precision must be one of none, bfloat16, float16"):
    check_execution("masked", sampler, mixed_precision="int8")
