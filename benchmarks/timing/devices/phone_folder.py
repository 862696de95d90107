"""The folder on a phone in which one process keeps its binary and its models, and runs them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import socket
import tempfile
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.builds import RESULT, RUNTIME_INFO
from nadv2_tf.benchmarks.timing.errors import NothingMeasured
from nadv2_tf.benchmarks.timing.npu_libraries import SEARCHED
from nadv2_tf.benchmarks.timing.result_files import LARGEST_FILE
from nadv2_tf.spec.files import read_bounded

if TYPE_CHECKING:
  from collections.abc import Iterable, Iterator, Mapping, Sequence

  from nadv2_tf.benchmarks.timing.devices.adb_client import AdbClient
  from nadv2_tf.types import AnyPath

#: files that lie on the phone at once, and their bytes
FILES_AT_ONCE = 200
BYTES_AT_ONCE = 256 * 2**20
#: in the folder: what a run of the program writes into files of its own
RESULTS = "results"
#: Removes what an earlier run wrote; run in the folder.
CLEAR_RESULTS = f"rm -rf {RESULTS} && mkdir {RESULTS}"

#: Lets programs load libraries that lie in the folder; run in it.
LOAD_FROM_HERE = " && ".join(f'export {name}="$PWD"' for name in SEARCHED)

#: Ends every program whose working folder is {folder}; the shell needs no other program for it.
#: Twice, because a program may start another one during the first look.
_END_PROGRAMS = """
for look in 1 2; do
  for process in /proc/[0-9]*; do
    [ "$process/cwd" -ef {folder} ] && kill -9 "${{process#/proc/}}"
  done
done 2>/dev/null
"""

#: Also undoes what was noted in put_back, and removes the folder. While another command uses the
#: phone the undoing is left to it: its own note says the same, see `PhoneFolder.others`.
_CLEAR = f"""{_END_PROGRAMS}
status=0
mine={{folder}}/put_back
if [ -f "$mine" ]; then
  for other in {{all}}*/put_back; do
    if [ -f "$other" ] && ! [ "$other" -ef "$mine" ]; then mine=; fi
  done
  if [ -n "$mine" ]; then sh "$mine" || status=1; fi
fi
rm -rf {{folder}} || status=1
exit $status
"""


class PhoneFolder:
  """`nadv2-HOST-PROCESS` on a phone; the name tells whose it is if the process is killed.

  Args:
    client: the `AdbClient`.
    parent: the folder on the phone where it is made.

  Attributes:
    path: of the folder.
    put_back: path in it of a script that puts the phone's settings back; `clear` runs it, unless
      another command uses the phone as well.
  """

  def __init__(self, client: AdbClient, parent: str) -> None:
    self._client = client
    host = re.sub(r"[^\w.-]", "_", socket.gethostname())
    self._all = f"{parent.rstrip('/')}/nadv2-"
    self._stem = f"{self._all}{host}-"
    self.path = f"{self._stem}{os.getpid()}"
    self.put_back = f"{self.path}/put_back"

  def make(self, binary: AnyPath) -> None:
    """Makes the folder, with the binary in it. Raises DeviceError if that fails."""
    path = shlex.quote(self.path)
    self._do(f"mkdir {path}", f"The folder {self.path} cannot be made.")
    self._push({"benchmark_model": pathlib.Path(binary)}, self.path)
    self._do(f"chmod 755 {path}/benchmark_model", "The binary cannot be made executable.")

  def push_models(self, paths: Sequence[pathlib.Path]) -> list[str]:
    """Puts files into the folder, in place of those before; their paths relative to it."""
    self.remove_models()
    models = f"{self.path}/models"
    self._do(f"mkdir {shlex.quote(models)}", f"The folder {models} cannot be made.")
    # The numbers keep files of one name apart; the names are for the reader of an error.
    names = [
      f"{index}-{re.sub(r'[^A-Za-z0-9_.-]', '_', path.name)}" for index, path in enumerate(paths)
    ]
    self._push(dict(zip(names, paths, strict=True)), models)
    return [f"models/{name}" for name in names]

  def remove_models(self) -> None:
    self._do(f"rm -rf {shlex.quote(self.path)}/models", "The models cannot be removed.")

  @contextlib.contextmanager
  def programs(self, files: Mapping[str, pathlib.Path]) -> Iterator[None]:
    """Has {name: path} of programs and libraries in the folder as well."""
    quoted = " ".join(shlex.quote(f"{self.path}/{name}") for name in files)
    if files:
      self._push(files, self.path)
      self._do(f"chmod 755 {quoted}", "The programs cannot be made executable.")
    yield
    if files:
      self._do(f"rm -f {quoted}", "The programs cannot be removed.")

  def give(self, name: str, content: bytes, empty: str) -> None:
    """Writes a file that a program is to read, and an empty folder for what it writes.

    Args:
      name: of the file, as FOLDER/NAME.
      content: of it.
      empty: the folder for what the program writes.
    """
    place = pathlib.PurePosixPath(name)
    root, parts = shlex.quote(self.path), f"{shlex.quote(str(place.parent))} {shlex.quote(empty)}"
    self._do(f"cd {root} && rm -rf {parts} && mkdir {parts}", "Folders cannot be made.")
    with tempfile.TemporaryDirectory() as local:
      file = pathlib.Path(local) / "content"
      file.write_bytes(content)
      self._push({place.name: file}, f"{self.path}/{place.parent}")

  def take(self, name: str, most: int) -> bytes:
    """Bytes of a file that a program wrote.

    Raises:
      NothingMeasured: if it wrote none, or more than `most` bytes.
    """
    with tempfile.TemporaryDirectory() as local:
      file = pathlib.Path(local) / "content"
      self._pull(name, file, most)
      if not file.is_file():
        raise NothingMeasured(f"The program wrote no {name} on the phone.")
      return read_bounded(file, most)

  def _pull(self, name: str, file: pathlib.Path, most: int) -> None:
    """Copies a file of the folder, if it is there."""
    path = f"{self.path}/{name}"
    size = self._client.shell(f"wc -c < {shlex.quote(path)} 2>/dev/null").stdout.strip()
    if not size.isdecimal():  # it is not there
      return
    if int(size) > most:
      raise NothingMeasured(
        f"The file {path} that the program wrote has {size} bytes, more than {most}: give another "
        "program with --benchmark_binary=FILE."
      )
    self._client.pull(path, file)

  def pull_results(self, folder: AnyPath) -> None:
    """Copies the files that the last run wrote into `folder`, which exists.

    Raises:
      NothingMeasured: if one is larger than any that is read.
    """
    for name in (RESULT, RUNTIME_INFO):
      self._pull(f"{RESULTS}/{name}", pathlib.Path(folder) / name, LARGEST_FILE)

  def others(self) -> dict[str, str]:
    """{folder: what puts the phone back as it was} of the other commands that use the phone."""
    script = f'for note in {shlex.quote(self._all)}*/put_back; do echo "$note"; done'
    notes = self._client.shell(script).stdout.splitlines()
    found = {}
    for note in notes:
      done = self._client.shell(f"cat {shlex.quote(note)} 2>/dev/null")
      if note != self.put_back and not done.exit_status and done.stdout.strip():
        found[note.removesuffix("/put_back")] = done.stdout
    return found

  def end_programs(self) -> None:
    """Ends what runs in the folder."""
    self._client.shell(_END_PROGRAMS.format(folder=shlex.quote(self.path)))

  def clear(self) -> None:
    """Ends what runs in the folder, puts the phone's settings back and removes the folder."""
    self._clear(self.path)

  def clear_stale(self) -> None:
    """Clears the folders that killed processes of this machine left."""
    script = f'for folder in {shlex.quote(self._stem)}*; do echo "$folder"; done'
    for folder in self._client.shell(script).stdout.splitlines():
      process = folder.removeprefix(self._stem)
      # A folder with our own number is of an earlier process that had it.
      if process.isdecimal() and (int(process) == os.getpid() or not _is_alive(int(process))):
        self._clear(folder)

  def _clear(self, path: str) -> None:
    script = _CLEAR.format(folder=shlex.quote(path), all=shlex.quote(self._all))
    self._do(script, f"{path} could not be cleared away.")

  def _do(self, script: str, problem: str) -> None:
    done = self._client.shell(script)
    if done.exit_status:
      self._client.fail(problem, done, script)

  def _push(self, files: Mapping[str, pathlib.Path], remote: str) -> None:
    """Pushes {name there: path} in one call; adb itself cannot give names to several files."""
    with tempfile.TemporaryDirectory() as local:
      links = [pathlib.Path(local, name) for name in files]
      for link, path in zip(links, files.values(), strict=True):
        try:
          link.symlink_to(path.resolve())
        except OSError:  # Windows allows links to developers alone
          shutil.copyfile(path, link)
      self._client.push(links, remote)


def chunks_of(paths: Iterable[pathlib.Path]) -> list[list[pathlib.Path]]:
  """Lists of paths, in order, that lie on the phone together."""
  chunks: list[list[pathlib.Path]] = []
  size = 0
  for path in paths:
    size += path.stat().st_size
    if not chunks or len(chunks[-1]) == FILES_AT_ONCE or size > BYTES_AT_ONCE:
      chunks.append([])
      size = path.stat().st_size
    chunks[-1].append(path)
  return chunks


def _is_alive(process: int) -> bool:
  if os.name == "nt":  # where signal 0 is Ctrl-C
    return True
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return False
  except PermissionError:
    return True
  return True
