"""Fixtures that several folders of tests share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Networks of tests are small: to split their operators among threads costs more than it gives
# (programs/threads.py), all the more with a second worker beside this one.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest

from nadv2_tf.benchmarks.timing import batch

#: files that take longest, the longest first; a file that is not named here only begins later
LONG = (
  "models/test_identities.py", "export/test_tflite.py", "training/test_jax.py",
  "training/test_checkpoints.py", "pipeline/test_depth_run.py", "benchmarks/test_compare.py",
  "training/test_multi_worker.py", "pipeline/test_run.py", "models/test_fastdepth.py",
  "pipeline/test_several_targets.py", "models/test_gradients.py", "models/test_backends.py",
  "stages/test_encoder_weights.py", "programs/test_plan.py", "programs/test_survival.py",
  "programs/test_imagenet_presets.py", "programs/test_several_targets.py",
  "stages/test_trust.py", "pipeline/test_bare_environment.py", "pipeline/test_worth.py",
  "stages/test_export.py",
)  # fmt: skip


def pytest_configure(config):
  """Two processes end together if no long file begins last.

  pytest-xdist would begin with the files of the most tests, and those take milliseconds each.
  """
  if hasattr(config.option, "loadscopereorder"):
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
  rank = {name: number for number, name in enumerate(LONG)}
  items.sort(key=lambda item: rank.get("/".join(item.path.parts[-2:]), len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def two_logical_cpus():
  """Two CPU devices for tests of tf.distribute; must happen before TensorFlow starts them."""
  import tensorflow as tf

  # As commands do (programs/start.py).
  tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
  cpus = tf.config.list_physical_devices("CPU")
  tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def no_other_test_timed_anything():
  """How quick a machine was is kept for a process; that of tests is another one in each."""
  batch.QUICKEST.forget()


def randomise(model, seed, shift=0.0):
  """Draws every weight, BN scale, shift and statistic; kernels keep the signal's size.

  Fresh weights hide the order of mask and batch norm: shifts of 0 and statistics of 0 and 1.
  `shift` is the mean of the drawn shifts: networks of ReLUs without residuals die below 0.
  """
  rng = np.random.default_rng(seed)
  for weight in model.weights:
    shape, name = tuple(weight.shape), weight.name
    if "variance" in name:
      value = rng.uniform(0.5, 2.0, shape)
    elif "gamma" in name:
      value = rng.uniform(0.5, 1.5, shape)
    elif any(part in name for part in ("beta", "bias")):
      value = rng.normal(shift, 0.3, shape)
    elif "mean" in name:
      value = rng.normal(0.0, 0.3, shape)
    else:
      depthwise = len(shape) == 4 and shape[-1] == 1 and shape[0] > 1
      fan_in = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
      value = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
    weight.assign(value)
  return model


@pytest.fixture(name="randomise", scope="session")
def randomise_fixture():
  return randomise


@pytest.fixture(scope="session")
def compiled():
  """Function (super-network) -> function (images, widths) -> its outputs in inference, traced once.

  Eagerly every call of a network takes as long as a fifth of its tracing.
  """
  import tensorflow as tf

  def compile_model(model):
    return tf.function(lambda *inputs: model(inputs, training=False), autograph=False)

  return compile_model


@pytest.fixture
def widths_of():
  """Function (space, spec, batch) -> int32 [batch, decisions], every row the same spec."""
  return lambda space, spec, batch: np.tile(np.array(space.encode(spec), np.int32), (batch, 1))


@pytest.fixture
def relative_gap():
  """Function (a, b) -> largest difference over the spread of `b` (its standard deviation).

  Where `b` does not vary (a dead network), it is 0 if `a` equals it exactly, else infinite.
  """

  def gap(a, b):
    a, b = np.asarray(a), np.asarray(b)
    difference = float(np.abs(a - b).max())
    return difference / float(b.std()) if b.std() else np.inf if difference else 0.0

  return gap


@pytest.fixture
def float64():
  """Keras in double precision, where rounding can neither hide nor fake a difference."""
  import keras

  keras.config.set_floatx("float64")
  keras.config.set_dtype_policy("float64")
  yield
  keras.config.set_floatx("float32")
  keras.config.set_dtype_policy("float32")


@pytest.fixture
def make_device():
  """Function (milliseconds, most_files, placement) -> a `Device` that only counts files.

  `milliseconds` makes a number of a file's bytes. After `most_files` files the device is gone.
  `placement` is what it says of every file.
  """
  from nadv2_tf.benchmarks.timing.device import Device
  from nadv2_tf.benchmarks.timing.errors import DeviceLost
  from nadv2_tf.benchmarks.timing.records import Identity, Repeat

  class CountingDevice(Device):
    identity = Identity("fake: stop watch", "x86_64", None, "runtime 1")
    reference = None
    settling_seconds = 0.0

    def __init__(self, milliseconds=len, most_files=float("inf"), placement=None):
      self._milliseconds, self._most_files = milliseconds, most_files
      self._placement = placement
      self.contents, self.settings = [], []

    def measure(self, paths, settings):
      self.settings.append(settings)
      values = []
      for path in paths:
        if len(self.contents) >= self._most_files:
          raise DeviceLost("The device was unplugged.")
        self.contents.append(path.read_bytes())
        values.append(self._milliseconds(self.contents[-1]))
      return [
        [Repeat(value, value, settings.runs, "median", placement=self._placement)]
        * settings.repeats
        for value in values
      ]

  return CountingDevice


@pytest.fixture(scope="session")
def tiny_space():
  """A space of five widths and a kernel with every kind of layer but upsampling: 8x8 images."""
  from nadv2_tf.spec import NetworkSpec, space_of
  from nadv2_tf.spec.blocks import Conv, Head, InvertedResidual

  blocks = (
    Conv(8, 3, 2, "hard_swish", bypass_cap=4),
    InvertedResidual(16, 16, 8, 5, 1, 4, "relu", bypass_cap=4),
    Head(2, None),
  )
  return space_of(NetworkSpec("tiny", (8, 8, 1), blocks), levels=2)
