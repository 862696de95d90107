"""Data sources by scheme; each module registers its own."""

from nadv2_tf.tasks.sources import demo, folder, npz, tfds  # noqa: F401  (register themselves)
from nadv2_tf.tasks.sources.registry import INPUTS, SOURCES, Source, load

__all__ = ["INPUTS", "SOURCES", "Source", "load"]
