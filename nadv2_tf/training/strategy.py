"""tf.distribute strategies by name."""

import tensorflow as tf


def make_strategy(name):
  """The strategy called `name`: "one", "mirrored", or "auto" (mirrored from two GPUs on)."""
  devices = tf.config.list_logical_devices("GPU")
  if name == "mirrored" or (name == "auto" and len(devices) > 1):
    return tf.distribute.MirroredStrategy()
  return tf.distribute.get_strategy()
