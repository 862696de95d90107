"""Optimizers by name; each module of this folder registers its own."""

from nadv2_tf.spec.registry import Registry

OPTIMIZERS = Registry("optimizer")
