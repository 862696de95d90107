"""Where `benchmark_model` comes from: a file of the user's, or a build that is fetched once."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from nadv2_tf.benchmarks.timing.device import sha256
from nadv2_tf.benchmarks.timing.devices.official import LITERT_SYSTEMS, address, check_hash
from nadv2_tf.benchmarks.timing.errors import BinaryError
from nadv2_tf.benchmarks.timing.output_tools import LIBRARIES, RUN_MODEL, beside

if TYPE_CHECKING:
  from nadv2_tf.types import AnyPath

SCHEMES = ("https", "http", "file")

MAX_BYTES = 256 * 2**20
#: seconds without an answer, and for all of a file
SILENCE = 30
FETCHING = 600

#: (e_machine, bits) in an ELF file's header, by Android's and by the kernel's name of the ABI
_ELF_OF_ABI = {
  "arm64-v8a": (183, 64),
  "aarch64": (183, 64),
  "armeabi-v7a": (40, 32),
  "armv7l": (40, 32),
  "x86_64": (62, 64),
  "x86": (3, 32),
  "i686": (3, 32),
  "riscv64": (243, 64),
}
_ELF = b"\x7fELF"
_CHUNK = 2**20


def find_binary(
  binary: AnyPath | None = None,
  url: str | None = None,
  abi: str = "arm64-v8a",
  cache: AnyPath | None = None,
  system: str = "Android",
) -> pathlib.Path:
  """Path of a `benchmark_model` file for an ABI.

  Args:
    binary: the user's own file; None: it is fetched, or was once.
    url: where it is fetched from, or one of `SOURCES`; None: the official build.
    abi: of the device, as Android ("arm64-v8a") or the kernel ("x86_64") names it.
    cache: folder where fetched files are kept; None: `default_cache()`.
    system: of the device, "Android" or "Linux".

  Raises:
    BinaryError: if there is no such file, it cannot be fetched, or it is for another ABI.
  """
  if binary is None:
    return fetch(address(url, abi, system), cache or default_cache(), abi)
  path = pathlib.Path(binary)
  if not path.is_file():
    raise BinaryError(f"There is no file {path}: correct --benchmark_binary.")
  check_abi(path, abi)
  return path


def find_run_model(
  binary: AnyPath | None = None,
  url: str | None = None,
  abi: str = "arm64-v8a",
  cache: AnyPath | None = None,
  system: str = "Android",
) -> dict[str, pathlib.Path]:
  """{name: path} of LiteRT's run_model and the libraries that it loads; {} without a run_model.

  They lie beside the user's own `benchmark_model`, or are fetched from where it is. Arguments as of
  `find_binary`.

  Raises:
    BinaryError: if they cannot be fetched, or are for another ABI.
  """
  if binary is not None:
    found = beside(binary)
    for path in found.values():
      check_abi(path, abi)
    return found
  source = (url or "").partition(":")[0]
  if source not in ("", "litert") or (system, abi) not in LITERT_SYSTEMS:
    return {}
  folder = pathlib.Path(cache or default_cache())
  names = [RUN_MODEL, *LIBRARIES]
  return {name: fetch(address(url, abi, system, name), folder, abi) for name in names}


def default_cache() -> pathlib.Path:
  """The folder of fetched files: under $XDG_CACHE_HOME, or ~/.cache without it."""
  base = pathlib.Path(os.environ.get("XDG_CACHE_HOME", ""))
  # The rules for this variable say that a relative path does not count.
  base = base if base.is_absolute() else pathlib.Path("~/.cache").expanduser()
  return base / "nadv2_tf" / "benchmark_model"


def fetch(url: str, cache_folder: AnyPath, abi: str) -> pathlib.Path:
  """Path of what is at `url`, fetched once; what lies in the cache damaged is fetched again.

  Args:
    url: https, http or file.
    cache_folder: made if it is missing. Files are named by their SHA-256; `index.json` has the
      hash of every URL.
    abi: of the device; see `check_abi`.

  Raises:
    BinaryError: if it cannot be fetched, is no program, or is one for another ABI.
  """
  folder = pathlib.Path(cache_folder)
  if url.partition(":")[0] not in SCHEMES:
    raise BinaryError(
      f"benchmark_model cannot be fetched from {url!r}: give an address that starts with "
      f"{', '.join(SCHEMES)}, or a file with --benchmark_binary=FILE."
    )
  try:
    known = _read_index(folder).get(url)
    if known and (folder / known).is_file() and sha256(folder / known) == known:
      check_abi(folder / known, abi)
      return folder / known
    folder.mkdir(parents=True, exist_ok=True)
    return _fetch(url, folder, abi)
  # ValueError is an address that urllib cannot take apart.
  except (OSError, http.client.HTTPException, ValueError) as error:
    raise BinaryError(
      f"benchmark_model cannot be fetched from {url} into {folder} ({error}): give the file itself "
      "with --benchmark_binary=FILE."
    ) from error


def check_abi(path: AnyPath, abi: str) -> None:
  """Refuses an ELF program for another ABI; scripts and others pass.

  Args:
    path: the file.
    abi: the device's: arm64-v8a, armeabi-v7a, x86_64 or x86, or what `platform.machine()` says.

  Raises:
    BinaryError: if the program is for another ABI, damaged or unreadable, or `abi` is unknown.
  """
  try:
    with pathlib.Path(path).open("rb") as file:
      header = file.read(20)
  except OSError as error:
    raise BinaryError(f"The file {path} cannot be read ({error}): check its permissions.") from None
  if not header:
    raise BinaryError(f"The file {path} is empty: give a benchmark_model with --benchmark_binary.")
  if not header.startswith(_ELF):
    return
  if abi not in _ELF_OF_ABI:
    raise BinaryError(
      f"The ABI of the device must be one of {', '.join(_ELF_OF_ABI)}, got {abi!r}: give a device "
      "with one of these."
    )
  # Class and byte order stand at 4 and 5, e_machine in two bytes at 18.
  bits = {b"\x01": 32, b"\x02": 64}.get(header[4:5])
  order: Any = {b"\x01": "little", b"\x02": "big"}.get(header[5:6])
  if len(header) < 20 or bits is None or order is None:
    raise BinaryError(f"The program {path} is damaged: fetch or build it again.")
  found = int.from_bytes(header[18:20], order), bits
  if found != _ELF_OF_ABI[abi] or order != "little":
    names = [name for name, elf in _ELF_OF_ABI.items() if elf == found and order == "little"]
    machine = "/".join(names) or f"machine {found[0]}, {bits} bit, {order}-endian"
    raise BinaryError(
      f"The program {path} is for {machine}, and the device is {abi}: give a benchmark_model for "
      "it with --benchmark_binary=FILE."
    )


def _fetch(url: str, folder: pathlib.Path, abi: str) -> pathlib.Path:
  with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching") as scratch:
    part = pathlib.Path(scratch) / "part"
    _download(url, part)
    with part.open("rb") as file:
      start = file.read(len(_ELF))
    # A network that asks for a login answers everything with a page of its own.
    if start != _ELF and not start.startswith(b"#!"):
      raise BinaryError(
        f"What is at {url} is no program: open it in a browser, or give a file with "
        "--benchmark_binary=FILE."
      )
    check_abi(part, abi)
    part.chmod(0o755)
    digest = sha256(part)
    check_hash(url, digest, _read_index(folder).get(url))
    part.replace(folder / digest)
    # Read again, for what another process has fetched meanwhile.
    index = pathlib.Path(scratch) / "index"
    index.write_text(json.dumps(_read_index(folder) | {url: digest}, indent=2), encoding="utf-8")
    index.replace(folder / "index.json")
  return folder / digest


def _download(url: str, part: pathlib.Path) -> None:
  """Writes what is at `url`; OSError or BinaryError if that is too much, too slow or cut short."""
  end, size = time.monotonic() + FETCHING, 0
  with urllib.request.urlopen(url, timeout=SILENCE) as answer, part.open("wb") as file:
    while chunk := answer.read(_CHUNK):
      size += len(chunk)
      if size > MAX_BYTES:
        raise BinaryError(
          f"What is at {url} is larger than {MAX_BYTES} bytes, which no benchmark_model is: "
          "correct the address."
        )
      if time.monotonic() > end:
        raise OSError(f"it took longer than {FETCHING} s")
      file.write(chunk)
    told = answer.headers.get("Content-Length")
  # urllib does not notice that a connection broke off.
  if told and told.isdecimal() and int(told) != size:
    raise OSError(f"{size} bytes came instead of {told}")


def _read_index(folder: pathlib.Path) -> dict[str, str]:
  """{URL: SHA-256}; empty if it is missing or damaged, which costs one more fetching."""
  with contextlib.suppress(OSError, ValueError):
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    if isinstance(index, dict):
      return {url: digest for url, digest in index.items() if isinstance(digest, str)}
  return {}
