"""Names of backbones (initial networks with their search space) and of fixed networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.spec.registry import Registry

if TYPE_CHECKING:
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.spec.shapes import Shape

#: name -> function (input_shape, classes) -> SearchSpace
BACKBONES = Registry("backbone")
#: name -> function () -> NetworkSpec
NETWORKS = Registry("network")


def search_space(
  name: str, input_shape: Shape | None = None, classes: int | None = None
) -> SearchSpace:
  """The search space of backbone `name`.

  Args:
    name: see `BACKBONES`; an unknown name lists the known ones.
    input_shape: (height, width, channels); None for the shape of the backbone's own recipe.
    classes: outputs of the classifier; None for the recipe's own (1000 for ImageNet networks).

  Raises:
    ValueError: for an unknown name or a shape that is not allowed.
  """
  arguments = {"input_shape": input_shape, "classes": classes}
  return BACKBONES[name](**{key: value for key, value in arguments.items() if value is not None})


def network(name: str) -> NetworkSpec:
  """A known network by name: published ones, and the largest network of every backbone."""
  if name in NETWORKS:
    return NETWORKS[name]()
  if name in BACKBONES:
    return search_space(name).largest()
  known = ", ".join(network_names())
  raise ValueError(f"Unknown network {name!r}. Known: {known}.")


def network_names() -> list[str]:
  return sorted({*NETWORKS, *BACKBONES})
