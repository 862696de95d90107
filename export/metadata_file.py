"""Where metadata stands in a TFLite file: one of its buffers, and files in an archive behind it."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np

from nadv2_tf.export import metadata_schema as schema
from nadv2_tf.export.metadata_flatbuffer import decode

if TYPE_CHECKING:
  from collections.abc import Mapping

#: bytes; the schema wants every buffer so, and the converter's last step does not keep it
ALIGNMENT = 16


def with_metadata(content: bytes, metadata: bytes, files: Mapping[str, bytes]) -> bytes:
  """A TFLite file with metadata and files in it, in the place of those that it had.

  Args:
    content: the file, as bytes, its weights within the flatbuffer (as below 2 GB).
    metadata: flatbuffer, as bytes.
    files: name -> bytes.

  Returns:
    The new file, as bytes; the same arguments give the same bytes at any time.
  """
  from ai_edge_litert import schema_py_generated as litert

  model = litert.ModelT.InitFromObj(litert.Model.GetRootAs(content, 0))
  model.metadata, model.buffers = model.metadata or [], model.buffers or []
  found = [entry for entry in model.metadata if entry.name == schema.ENTRY.encode()]
  if not found:
    found = [litert.MetadataT(schema.ENTRY, len(model.buffers))]
    model.metadata += found
    model.buffers.append(litert.BufferT())
  for entry in found:
    model.buffers[entry.buffer].data = np.frombuffer(metadata, np.uint8)
  model.buffers = [_Aligned(buffer) for buffer in model.buffers]
  builder = flatbuffers.Builder(len(content) + len(metadata))
  builder.Finish(model.Pack(builder), schema.MODEL_IDENTIFIER)
  return _with_files(bytes(builder.Output()), files)


class _Aligned:
  """A buffer whose data is aligned, which `BufferT` forgets."""

  def __init__(self, buffer: Any) -> None:
    self._buffer = buffer

  def Pack(self, builder: flatbuffers.Builder) -> int:
    if self._buffer.data is not None:
      builder.Prep(ALIGNMENT, len(self._buffer.data))
    return self._buffer.Pack(builder)


def _with_files(content: bytes, files: Mapping[str, bytes]) -> bytes:
  """Bytes with files packed behind them, not compressed: readers on phones take them so alone."""
  if not files:
    return content
  made = io.BytesIO(content)
  with zipfile.ZipFile(made, "a") as archive:
    for name, inside in files.items():
      entry = zipfile.ZipInfo(name)  # of 1 January 1980
      entry.create_system, entry.external_attr = 3, 0o600 << 16  # the same on every system
      archive.writestr(entry, inside)
  return made.getvalue()


def metadata_of(content: bytes) -> memoryview:
  """The metadata of a TFLite file: a flatbuffer, seen in `content`.

  Raises:
    ValueError: in one line, if there is none, or the file is damaged on the way to it.
  """
  try:
    model = decode(content, schema.MODEL, schema.MODEL_IDENTIFIER)
  except ValueError as error:
    raise ValueError(f"Cannot read the TFLite file: {error}.") from None
  for entry in model.get("metadata", []):
    if entry.get("name") == schema.ENTRY:
      number, buffers = entry.get("buffer", 0), model.get("buffers", [])
      if number < len(buffers) and buffers[number].get("data"):
        return buffers[number]["data"]
  raise ValueError("The TFLite file has no metadata.")


def file_of(content: bytes, name: str) -> bytes:
  """A file packed behind a TFLite file, as bytes.

  Raises:
    ValueError: in one line, if it is not there as it was packed.
  """
  try:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
      entry = archive.getinfo(name)
      if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        raise ValueError("it is compressed")
      return archive.read(entry)  # no more than `content` has; its checksum is compared
  except Exception as error:  # zipfile raises half a dozen kinds
    raise ValueError(f"Cannot read {name} in the TFLite file: {error}.") from None
