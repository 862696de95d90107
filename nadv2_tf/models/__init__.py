"""Super-networks, stand-alone networks, and slicing from one to the other."""

from nadv2_tf.models.slicing import slice_network
from nadv2_tf.models.stand_alone import stand_alone
from nadv2_tf.models.super_network import check_widths, super_network

__all__ = ["check_widths", "slice_network", "stand_alone", "super_network"]
