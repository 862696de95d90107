"""Network specs as JSON text. Reading runs no code and trusts nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from nadv2_tf.spec.blocks import KINDS

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator, Mapping
  from typing import Any

  from nadv2_tf.spec.blocks import Block
  from nadv2_tf.spec.network import NetworkSpec, Skip

FORMAT = "nadv2_tf.network"
VERSION = 1
#: a spec of the largest published network is 6 KB
LARGEST_TEXT = 4 * 2**20


def to_json(spec: NetworkSpec) -> str:
  """JSON text of a `NetworkSpec`, one block a line."""
  head = {
    "format": FORMAT,
    "version": VERSION,
    "name": spec.name,
    "input_shape": list(spec.input_shape),
  }
  lines = ["{"]
  lines += [f'  "{key}": {json.dumps(value)},' for key, value in head.items()]
  lines += ['  "blocks": [', _rows(_block_fields(block) for block in spec.blocks), "  ],"]
  lines += ['  "skips": [', _rows(dataclasses.asdict(skip) for skip in spec.skips), "  ]"]
  return "\n".join(line for line in lines if line) + "\n}\n"


def _rows(items: Iterable[dict[str, Any]]) -> str:
  return ",\n".join("    " + json.dumps(item) for item in items)


def _block_fields(block: Any) -> dict[str, Any]:
  written = {
    field.name: getattr(block, field.name)
    for field in dataclasses.fields(block)
    if not (field.metadata.get("later") and getattr(block, field.name) == field.default)
  }
  return {"kind": block.kind, **written}


def from_json(text: str, network_type: type[NetworkSpec], skip_type: type[Skip]) -> NetworkSpec:
  """The `NetworkSpec` that `text` describes; ValueError names what is wrong with it."""
  if len(text) > LARGEST_TEXT:
    raise ValueError(f"A network spec has at most {LARGEST_TEXT} characters, got {len(text)}.")
  try:
    data = json.loads(text)
  except (ValueError, RecursionError) as error:  # ValueError: also integers of too many digits
    raise ValueError(f"Not a network spec: the text is not JSON ({error}).") from None
  if not isinstance(data, dict) or data.get("format") != FORMAT:
    found = data.get("format") if isinstance(data, dict) else type(data).__name__
    raise ValueError(f'Not a network spec: field "format" must be {FORMAT!r}, got {found!r}.')
  if data.get("version") is True or data.get("version") != VERSION:
    raise ValueError(f'Field "version" must be {VERSION}, got {data.get("version")!r}.')
  _only(data, ("format", "version", "name", "input_shape", "blocks", "skips"), "the spec")
  name = data.get("name")
  if not isinstance(name, str):
    raise ValueError(f'Field "name" must be a text, got {name!r}.')
  blocks = tuple(_block(number, row) for number, row in _list(data, "blocks"))
  skips = tuple(_skip(skip_type, number, row) for number, row in _list(data, "skips"))
  shape = tuple(value for _, value in _list(data, "input_shape"))
  return network_type(name=name, input_shape=shape, blocks=blocks, skips=skips)


def _only(data: Iterable[str], allowed: Iterable[str], place: str) -> None:
  unknown = sorted(set(data) - set(allowed))
  if unknown:
    raise ValueError(
      f"Unknown field {unknown[0]!r} in {place}. Allowed: {', '.join(sorted(allowed))}."
    )


def _list(data: Mapping[str, Any], field: str) -> Iterator[tuple[int, Any]]:
  value = data.get(field, [] if field == "skips" else None)
  if not isinstance(value, list):
    raise ValueError(f'Field "{field}" must be a list, got {value!r}.')
  return enumerate(value, start=1)


def _block(number: int, row: Any) -> Block:
  place = f"block {number}"
  if not isinstance(row, dict):
    raise ValueError(f"Field {place!r} must be an object, got {row!r}.")
  fields = dict(row)
  try:
    block_type = KINDS[fields.pop("kind", None)]
    known = {field.name: field for field in dataclasses.fields(block_type)}
    _only(fields, known, place)
    for name, field in known.items():
      if name not in fields and field.default is dataclasses.MISSING:
        raise ValueError(f"Field {name!r} is missing.")
    return block_type(**fields)
  except ValueError as error:
    raise ValueError(f"Block {number}: {error}") from None


def _skip(skip_type: type[Skip], number: int, row: Any) -> Skip:
  if not isinstance(row, dict) or set(row) != {"source", "target"}:
    raise ValueError(f'Skip {number} must have the fields "source" and "target", got {row!r}.')
  for field, value in row.items():
    if isinstance(value, bool) or not isinstance(value, int):
      raise ValueError(f"Skip {number}: {field} must be an integer, got {value!r}.")
  return skip_type(**row)
