"""What the description of a model in a file names that is neither Keras's nor data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
  from collections.abc import Iterator
  from typing import Any

LAMBDA_WAY_OUT = (
  "is code, and none in a file is run; write it with keras.ops or layers of Keras and save the "
  "model again"
)
#: where Keras looks for the name of a function
FUNCTIONS = ("activations", "constraints", "initializers", "regularizers")


def foreign(config: Any) -> str:
  """What in a description is neither Keras's nor data, "" if nothing is."""
  return next(filter(None, (_problem(value, owner) for value, owner in _objects(config))), "")


def not_of_keras(kind: str, config: Any) -> str:
  """The refusal of a class by the first layer of a description that is of it."""
  found = next((value for value, _ in _objects(config) if value["class_name"] == kind), {})
  return f"{_name_of(found) or repr(kind)} is a {kind}, {_which('layers')}"


def first_of(kinds: tuple[str, ...], config: Any) -> tuple[str, dict[str, Any]] | None:
  """(name, settings) of the first layer that is of one of these classes."""
  for value, _ in _objects(config):
    if value["class_name"] in kinds and isinstance(value["config"], dict):
      return _name_of(value) or repr(value["class_name"]), value["config"]
  return None


def _objects(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
  """(what is to be made, the layer that it belongs to), in the order of the description."""
  # By hand: models nest deeper in a file than Python recurses.
  values: list[tuple[Any, str]] = [(config, "the model")]
  while values:
    value, owner = values.pop()
    if isinstance(value, dict):
      if isinstance(value.get("class_name"), str) and "config" in value:
        yield value, owner
        owner = f"{value['class_name']} {_name_of(value)}" if _name_of(value) else owner
      # How a model was trained is not read: a loss of one's own does no harm.
      kept = [item for key, item in value.items() if key != "compile_config"]
      values.extend((item, owner) for item in reversed(kept))
    elif isinstance(value, list):
      values.extend((item, owner) for item in reversed(value))


def _name_of(value: dict[str, Any]) -> str:
  """What a layer is called, in quotes; "" if it is no layer or has no name."""
  settings = value.get("config")
  name = settings.get("name") if isinstance(settings, dict) else None
  name = value.get("name") if name is None else name
  return repr(name) if isinstance(name, str) else ""


def _problem(value: dict[str, Any], owner: str) -> str:
  kind, module = value["class_name"], value.get("module")
  name = _name_of(value)
  if kind == "Lambda":
    return f"the Lambda layer {name or repr(kind)} {LAMBDA_WAY_OUT}"
  if kind == "__lambda__":
    return f"{owner} has a lambda, which {LAMBDA_WAY_OUT}"
  if isinstance(module, str) and module.startswith("tf_keras"):
    return "it was saved by tf_keras; load it there and save it as a .h5 file"
  if kind == "function" and module in (None, "builtins"):
    function = value["config"]
    is_known = isinstance(function, str) and any(
      hasattr(getattr(keras, place), function) for place in FUNCTIONS
    )
    return "" if is_known else f"{owner} has a function, {function!r}, {_which('functions')}"
  if _is_own(value):
    whose = f"{name} is a" if name else f"{owner} has a"
    return f"{whose} {kind}, {_which('layers' if name else 'objects')}"
  return ""


def _is_own(value: dict[str, Any]) -> bool:
  """Whether it is of a class of somebody's own."""
  module = value.get("module")
  if isinstance(module, str):
    return module.split(".")[0] not in ("keras", "builtins")
  registered = value.get("registered_name")
  # Keras leaves the module out for classes of a program. Older files and .h5 files have none for
  # any layer; there a name that was registered has its package in front.
  return ("module" in value and registered is not None) or any(
    map(_is_registered, (value["class_name"], registered))
  )


def _is_registered(registered: Any) -> bool:
  return isinstance(registered, str) and ">" in registered and not registered.startswith("keras")


def _which(what: str) -> str:
  return f"which is not of Keras; Keras's own {what} would be understood"
