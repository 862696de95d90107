"""MACs and parameters as resource meters."""

from nadv2_tf.spec.registry import Registry

#: name of the metric -> meter type
COUNTS = Registry("counted metric")


class _CountMeter:
  """A sum over layers; exact and free, so nothing of it needs a journal."""

  is_exact = True

  def measure(self, spec):
    return float(sum(self.block_costs(spec)))

  def block_costs(self, spec):
    """The resource of every block, skip adds with the block they end at."""
    return tuple(sum(self._cost(layer) for layer in block) for block in spec.layers())


@COUNTS.register("macs")
class MacsMeter(_CountMeter):
  """Multiply-accumulates at batch 1: conv, dense and squeeze-and-excite products."""

  unit = "MACs"

  @staticmethod
  def _cost(layer):
    return layer.macs()


@COUNTS.register("parameters")
class ParametersMeter(_CountMeter):
  """Trainable parameters."""

  unit = "parameters"

  @staticmethod
  def _cost(layer):
    return layer.parameters()
