"""Resource meters that need nothing but a spec."""

from nadv2_tf.resources.counts import COUNTS, MacsMeter, ParametersMeter, SizeMeter

__all__ = ["COUNTS", "MacsMeter", "ParametersMeter", "SizeMeter"]
