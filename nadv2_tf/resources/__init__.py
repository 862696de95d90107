"""Resource meters that need nothing but a spec."""

from nadv2_tf.resources.counts import COUNTS, MacsMeter, ParametersMeter, SizeMeter
from nadv2_tf.resources.peak_memory import PeakMemoryMeter

__all__ = ["COUNTS", "MacsMeter", "ParametersMeter", "PeakMemoryMeter", "SizeMeter"]
