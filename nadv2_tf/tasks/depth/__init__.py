"""Depth from one image: data, loss, measures, pictures."""

from nadv2_tf.tasks.depth.task import Depth

__all__ = ["Depth"]
