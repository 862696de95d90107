"""One checkpoint as a file: a .npz of plain arrays and a JSON header, checked when it is read.

The arrays are stored, not compressed, so that no file unpacks to more than its own size, and each
has a SHA-256 in the header. Reading runs no code: array headers are not parsed but compared with
the ones that writing makes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from nadv2_tf.spec.files import read_bounded, write_atomically

if TYPE_CHECKING:
  from collections.abc import Sequence
  from typing import IO, Any

  from nadv2_tf.types import AnyPath

FORMAT = "nadv2_tf.checkpoint"
VERSION = 1
HEADER = "header.json"
LARGEST_HEADER = 64 * 2**20
LARGEST_FILE = 64 * 2**30
DTYPES = ("float32", "float64", "float16", "int8", "int32", "int64", "uint8", "uint32", "uint64",
          "bool")  # fmt: skip
#: the same content gives the same file
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class CheckpointError(ValueError):
  """A checkpoint that is damaged, or that belongs to another training."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """A training between two steps.

  Attributes:
    step: steps that are done. The position in the data is a function of step and seed.
    arrays: {name: array} of the variables of model and optimizer, moving averages among them.
    state: what else the loop has to know, JSON values.
    source: the file it was read from.
  """

  step: int
  arrays: dict[str, np.ndarray]
  state: dict[str, Any]
  source: str = "in memory"


def write(path: AnyPath, checkpoint: Checkpoint, settings: dict[str, Any]) -> None:
  """Writes a `Checkpoint`; `settings` says of what training, as JSON values."""
  names = list(checkpoint.arrays)
  arrays = [np.asarray(checkpoint.arrays[name], order="C") for name in names]
  header = {
    "format": FORMAT,
    "version": VERSION,
    "step": checkpoint.step,
    "settings": settings,
    "state": checkpoint.state,
    "arrays": [
      {
        "name": name,
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
      }
      for name, array in zip(names, arrays, strict=True)
    ],
  }

  def write_archive(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
      archive.writestr(zipfile.ZipInfo(HEADER, ZIP_DATE), json.dumps(header))
      for number, array in enumerate(arrays):
        content = _npy_header(array.dtype.name, array.shape) + array.tobytes()
        archive.writestr(zipfile.ZipInfo(_member(number), ZIP_DATE), content)

  write_atomically(path, write_archive)


def read(path: AnyPath) -> tuple[Checkpoint, dict[str, Any]]:
  """(`Checkpoint`, settings) of a file.

  Raises:
    CheckpointError: naming the file, if it is not whole.
    OSError: if it cannot be read at all.
  """
  try:
    return parse(read_bounded(path, LARGEST_FILE), str(path))
  except OSError:
    raise
  except Exception as error:  # zipfile raises a dozen kinds
    reason = str(error) or type(error).__name__
    raise CheckpointError(f"The checkpoint {path} is damaged: {reason}.") from None


def parse(content: bytes, source: str) -> tuple[Checkpoint, dict[str, Any]]:
  """(`Checkpoint`, settings) of a file's bytes; raises whatever the damaged part raises."""
  with zipfile.ZipFile(io.BytesIO(content)) as archive:
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
      raise ValueError("a part is compressed")
    if sum(member.file_size for member in members) > len(content):
      raise ValueError("its parts are larger than the file")
    if archive.getinfo(HEADER).file_size > LARGEST_HEADER:
      raise ValueError("its header is too long")
    header = json.loads(archive.read(HEADER))
    _check_header(header)
    arrays = {
      entry["name"]: _array(entry, archive.read(_member(number)))
      for number, entry in enumerate(header["arrays"])
    }
  return Checkpoint(header["step"], arrays, header["state"], source), header["settings"]


def _check_header(header: Any) -> None:
  kinds = {"step": int, "settings": dict, "state": dict, "arrays": list}
  if not isinstance(header, dict) or header.get("format") != FORMAT:
    raise ValueError(f'its field "format" is not {FORMAT!r}')
  if header.get("version") != VERSION:
    raise ValueError(f'its field "version" is {header.get("version")!r}, not {VERSION}')
  for field, kind in kinds.items():
    if type(header.get(field)) is not kind:
      raise ValueError(f"its field {field!r} is no {kind.__name__}")
  for entry in header["arrays"]:
    if (
      not isinstance(entry, dict)
      or not isinstance(entry.get("name"), str)
      or entry.get("dtype") not in DTYPES
      or not isinstance(entry.get("shape"), list)
      or not all(type(size) is int and size >= 0 for size in entry["shape"])
    ):
      raise ValueError("its list of arrays cannot be understood")


def _array(entry: dict[str, Any], content: bytes) -> np.ndarray:
  dtype, shape, name = entry["dtype"], tuple(entry["shape"]), entry["name"]
  header = _npy_header(dtype, shape)
  values = content[len(header) :]
  size = math.prod(shape) * np.dtype(dtype).itemsize
  if not content.startswith(header) or len(values) != size:
    raise ValueError(f"the array {name!r} is not {dtype} {list(shape)}")
  if hashlib.sha256(values).hexdigest() != entry.get("sha256"):
    raise ValueError(f"the array {name!r} does not have its checksum")
  return np.frombuffer(values, dtype).reshape(shape)


def _member(number: int) -> str:
  return f"array_{number:05d}.npy"


def _npy_header(dtype: str, shape: Sequence[int]) -> bytes:
  """What NumPy writes in front of such an array."""
  file = io.BytesIO()
  described = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
  np.lib.format.write_array_header_1_0(file, described)
  return file.getvalue()
