"""Data sources by scheme; each module registers its own."""

from nadv2_tf.spec.registry import load_modules
from nadv2_tf.tasks.sources.registry import INPUTS, SOURCES, Source, load

load_modules(__name__, __path__)  # they register themselves

__all__ = ["INPUTS", "SOURCES", "Source", "load"]
