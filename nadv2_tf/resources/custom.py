"""A resource meter of the user's own, named as `package.module:Class`."""

from __future__ import annotations

import importlib
import math
import numbers
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from typing import Any

  from nadv2_tf.spec import NetworkSpec


def load_meter(name: str) -> _CheckedMeter:
  """An instance of the class `name` names, checked to be a `ResourceMeter`.

  Args:
    name: "package.module:Class"; the module must be importable, the class made without arguments.
      It needs `unit` (a text), `is_exact` (True if measuring again gives the same number at no
      cost) and `measure(spec)`, which returns a finite number of at least 0; with
      `block_costs(spec)`, one number for each block, it serves methods that need a sum as well.

  Returns:
    A meter that checks each value it gives.

  Raises:
    ValueError: saying what is missing.
  """
  module_name, _, class_name = name.partition(":")
  if not module_name or not class_name.isidentifier():
    raise ValueError(f"A metric of one's own is named as package.module:Class, got {name!r}.")
  try:
    module = importlib.import_module(module_name)
  except ImportError as error:
    raise ValueError(
      f"{name}: module {module_name!r} cannot be imported ({error}); is its folder in PYTHONPATH?"
    ) from error
  meter_type = getattr(module, class_name, None)
  if not callable(meter_type):
    raise ValueError(f"{name}: {module_name!r} has no class {class_name!r}.")
  try:
    meter = meter_type()
  except TypeError as error:
    raise ValueError(f"{name}: the class must be made without arguments ({error}).") from error
  _check(name, meter)
  checked = _CheckedSum if callable(getattr(meter, "block_costs", None)) else _CheckedMeter
  return checked(name, meter)


def _check(name: str, meter: Any) -> None:
  """Raises ValueError if `meter` lacks something."""
  wanted = "it needs unit (a text), is_exact (True or False) and measure(spec)"
  for field in ("unit", "is_exact", "measure"):
    if not hasattr(meter, field):
      raise ValueError(f"{name} has no {field}: {wanted}.")
  if not isinstance(meter.unit, str) or not meter.unit:
    raise ValueError(f"{name}: unit must be a text such as 'mJ', got {meter.unit!r}.")
  if not isinstance(meter.is_exact, bool):
    raise ValueError(f"{name}: is_exact must be True or False, got {meter.is_exact!r}.")
  if not callable(meter.measure):
    raise ValueError(f"{name}: measure must be a method, got {meter.measure!r}.")


class _CheckedMeter:
  """A meter whose values are refused if they are none."""

  def __init__(self, name: str, meter: Any) -> None:
    self._name = name
    self._meter = meter
    self.unit: str = meter.unit
    self.is_exact: bool = meter.is_exact

  def measure(self, spec: NetworkSpec) -> float:
    return self._checked("measure", self._meter.measure(spec), spec)

  def _checked(self, method: str, value: Any, spec: NetworkSpec) -> float:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
      raise ValueError(
        f"{self._name}: {method} must return a finite number of at least 0 {self.unit}, got "
        f"{value!r} for {spec.name!r}."
      )
    return float(value)


class _CheckedSum(_CheckedMeter):
  """One that also says what each block costs."""

  def block_costs(self, spec: NetworkSpec) -> tuple[float, ...]:
    costs = tuple(self._meter.block_costs(spec))
    if len(costs) != len(spec.blocks):
      raise ValueError(
        f"{self._name}: block_costs must return one number for each of the {len(spec.blocks)} "
        f"blocks of {spec.name!r}, got {len(costs)}."
      )
    return tuple(self._checked("block_costs", cost, spec) for cost in costs)
