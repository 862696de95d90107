"""Meters that know which form of a network is the fastest, of those that compute the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from nadv2_tf.search.problem import ResourceMeter

if TYPE_CHECKING:
  from collections.abc import Callable

  from nadv2_tf.spec import NetworkSpec


@runtime_checkable
class FormingMeter(ResourceMeter, Protocol):
  """A meter that knows in which form a network is the fastest, and measures that one."""

  def fastest_form(self, spec: NetworkSpec) -> NetworkSpec:
    """The network in that form."""

  def as_it_is(self) -> ResourceMeter:
    """The meter of networks in the form that their specs have, where filters count as well."""


def fastest_form_of(meter: Any) -> Callable[[NetworkSpec], NetworkSpec]:
  """Function of a network to what it is timed and exported as; without such a meter, as it is."""
  return meter.fastest_form if isinstance(meter, FormingMeter) else lambda spec: spec
