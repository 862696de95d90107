"""How tf_keras writes models within models, and what they are called, as Keras 3 reads it.

Within a Sequential it writes layers as for a .keras file, which Keras 3 reads by other rules than
those of its own time; it counts a model's own graph as the first call of the model; and it allows
"/" in names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from typing import Any

#: that are layers of others
MODELS = ("Functional", "Model", "Sequential")


def without_modules(config: Any) -> Any:
  """A description with all layers as those of a model that is in no other.

  Without their modules Keras 3 reads them as old ones, and finds none but its own.
  """
  if isinstance(config, list):
    return [without_modules(item) for item in config]
  if not isinstance(config, dict):
    return config
  config = {name: without_modules(value) for name, value in config.items()}
  if isinstance(config.get("layers"), list):
    config["layers"] = [_without_module(layer) for layer in config["layers"]]
  return config


def _without_module(layer: dict[str, Any]) -> dict[str, Any]:
  return {name: layer[name] for name in layer if name not in ("module", "registered_name")}


def plain_name(name: Any) -> Any:
  """What Keras 3 allows a layer to be called."""
  return name.replace("/", "_") if isinstance(name, str) else name


def counted(graph: dict[str, Any]) -> dict[str, Any]:
  """A functional model whose calls are counted and called as in Keras 3.

  Args:
    graph: its settings, {"layers", "input_layers", "output_layers", ...}; the names of the layers
      themselves are plain already, each call is a list of tensors.
  """
  calls = [call for layer in graph["layers"] for call in layer.get("inbound_nodes", ())]
  if not any(isinstance(call, list) for call in calls):
    return graph  # of Keras 3
  kinds = {layer["name"]: layer.get("class_name") for layer in graph["layers"] if "name" in layer}
  layers = [
    {**layer, "inbound_nodes": [_call(node, kinds) for node in layer.get("inbound_nodes", ())]}
    for layer in graph["layers"]
  ]
  # Of what goes out Keras 3 takes the first call off itself, unless it is a Sequential's.
  outside = {name: kind for name, kind in kinds.items() if kind == "Sequential"}
  ends: dict[str, Any] = {
    name: _ends(graph[name], outside) for name in ("input_layers", "output_layers") if name in graph
  }
  return {**graph, "layers": layers, **ends}


def _call(node: Any, kinds: dict[str, Any]) -> Any:
  if not isinstance(node, list):
    return node
  return [_tensor(tensor, kinds) for tensor in node]


def _ends(ends: Any, kinds: dict[str, Any]) -> Any:
  """Of a model, one tensor or several; a list of one would be a list in the models around it."""
  if isinstance(ends, list) and ends and isinstance(ends[0], str):
    return _tensor(ends, kinds)
  tensors = [_tensor(end, kinds) for end in ends]
  return tensors[0] if len(tensors) == 1 else tensors


def _tensor(tensor: Any, kinds: dict[str, Any]) -> Any:
  """[layer, which of its calls, which of the outputs, ...]."""
  if not (isinstance(tensor, list) and len(tensor) >= 3 and isinstance(tensor[1], int)):
    return tensor
  name, call, *others = tensor
  name = plain_name(name)
  return [name, call - (kinds.get(name) in MODELS and call > 0), *others]
