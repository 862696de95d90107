"""Data sources by scheme; each module registers its own."""

from nadv2_tf.tasks.sources import demo, folder, npz, tfds  # noqa: F401  (register themselves)
from nadv2_tf.tasks.sources.registry import SOURCES, Source, load

__all__ = ["SOURCES", "Source", "load"]
