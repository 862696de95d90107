"""Timing on an Android phone, with the program `benchmark_model` over adb."""

from __future__ import annotations

import contextlib
import math
import pathlib
import shlex
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self

from nadv2_tf.benchmarks.timing import benchmark_model, output_tools
from nadv2_tf.benchmarks.timing.batch import without_demands
from nadv2_tf.benchmarks.timing.builds import build_of
from nadv2_tf.benchmarks.timing.device import Device, sha256
from nadv2_tf.benchmarks.timing.devices import adb_client, phone_condition
from nadv2_tf.benchmarks.timing.devices.binary import find_binary, find_run_model
from nadv2_tf.benchmarks.timing.devices.phone_folder import (
  CLEAR_RESULTS,
  LOAD_FROM_HERE,
  RESULTS,
  PhoneFolder,
  chunks_of,
)
from nadv2_tf.benchmarks.timing.devices.phone_outputs import taken_from
from nadv2_tf.benchmarks.timing.errors import DeviceLost, Hot, ModelError, TimedOut, TimingError
from nadv2_tf.benchmarks.timing.npu_libraries import npu_files
from nadv2_tf.benchmarks.timing.records import Identity, Repeat, repeat_of

if TYPE_CHECKING:
  import types
  from collections.abc import Iterator, Sequence

  from nadv2_tf.benchmarks.timing.output_tools import Tensors
  from nadv2_tf.benchmarks.timing.printed import Reading
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: seconds that adb may take longer than the program on the phone, which ends itself
GRACE = 15.0
#: seconds between two looks at a hot phone
COOLING_STEP = 5.0
#: how often a repeat is taken at most, if the phone becomes hot each time
HOT_ATTEMPTS = 3

_PROPERTIES = (
  "ro.product.manufacturer",
  "ro.product.model",
  "ro.product.cpu.abi",
  "ro.build.version.release",
  "ro.build.id",
)
# Looked for rather than tried: that of toybox 0.8.9 gives 127 for one program in ten that ends at
# once, because its child's signal overtakes it.
_HAS_TIMEOUT = "command -v timeout"


class AdbDevice(Device):
  """An Android phone.

  Entering the context makes a folder for this process on the phone and wakes it; leaving ends what
  runs there, removes the folder and puts the phone's settings back. Both, and `measure`, raise the
  classes of `nadv2_tf.benchmarks.timing.errors`.

  Args:
    serial: as `adb devices` lists it, or host:port; None: $ANDROID_SERIAL, else the only one.
    binary, url, cache: where the `benchmark_model` comes from, see `binary.find_binary`.
    remote_folder: where on the phone the folder is made; programs must be allowed to run there.
    adb: the program adb; None: see `adb_client.find_adb`.
  """

  def __init__(
    self,
    serial: str | None = None,
    binary: AnyPath | None = None,
    url: str | None = None,
    cache: AnyPath | None = None,
    remote_folder: str = "/data/local/tmp",
    adb: AnyPath | None = None,
  ) -> None:
    self._serial = serial
    self._source: dict[str, Any] = {"binary": binary, "url": url, "cache": cache}
    self._remote_folder = remote_folder
    self._adb = adb
    self._client: Any = None

  def __enter__(self) -> Self:
    client = adb_client.choose_device(self._serial, self._adb)
    self._folder = PhoneFolder(client, self._remote_folder)
    self._client = client
    try:
      binary = self._identify()
      done = client.shell(_HAS_TIMEOUT)
      if done.exit_status:
        client.fail(
          "It has no `timeout` to end a program that hangs; Android 7 and newer have one.",
          done,
          _HAS_TIMEOUT,
        )
      self._folder.clear_stale()
      self._folder.make(binary)
      self._notes = phone_condition.keep_awake(client, self._folder.put_back, self._folder.others())
    except BaseException as error:
      self._leave(error)
      raise
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
  ) -> None:
    self._leave(error)

  def measure(self, paths: Sequence[pathlib.Path], settings: TimingSettings) -> list[list[Repeat]]:
    """See `Device.measure`."""
    if self._client is None:
      raise ValueError("Use AdbDevice as a context manager: `with AdbDevice() as device: ...`.")
    # A `Path` stays the object that it is, see `is_riding`.
    paths = [path if isinstance(path, pathlib.Path) else pathlib.Path(path) for path in paths]
    for path in paths:
      if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    self._check_mask(settings.cpu_mask)
    with self._folder.programs(npu_files(settings)):
      return self._measure(paths, settings)

  def _measure(self, paths: Sequence[pathlib.Path], settings: TimingSettings) -> list[list[Repeat]]:
    repeats: list[list[Repeat]] = []
    for chunk in chunks_of(paths):
      models = self._folder.push_models(chunk)
      taken: list[list[Repeat]] = [[] for _ in chunk]
      if settings.is_sustained:
        self._cool_condition(settings, self._notes)
      take = self._part if settings.is_sustained else self._repeat
      for _ in range(settings.repeats):
        for path, model, of_model in zip(chunk, models, taken, strict=True):
          time.sleep(settings.cooldown)
          of_model.append(take(model, settings, self.is_riding(path)))
      repeats += taken
    self._folder.remove_models()
    return repeats

  def _identify(self) -> pathlib.Path:
    """Sets `identity`; the path of the binary."""
    script = "\n".join(f"getprop {name}" for name in _PROPERTIES)
    done = self._client.shell(script)
    values = [line.strip() for line in done.stdout.splitlines()]
    if done.exit_status or len(values) != len(_PROPERTIES):
      self._client.fail("It does not say what it is: is it Android?", done, script)
    maker, model, abi, android, build = values
    binary = find_binary(**self._source, abi=abi)
    self._build = build_of(binary)
    self.identity = Identity(
      device=f"adb: {maker} {model}",
      abi=abi,
      android=f"{android} ({build})" if build else android,
      runtime=f"benchmark_model sha256:{sha256(binary)}",
    )
    return binary

  def _check_mask(self, cpu_mask: str | None) -> None:
    if cpu_mask:
      command = f"taskset {cpu_mask} true"
      done = self._client.shell(command)
      if done.exit_status:
        self._client.fail(f"Its processors do not fit the mask {cpu_mask}.", done, command)

  def _repeat(self, model: str, settings: TimingSettings, is_reference: bool) -> Repeat:
    """One `Repeat`, taken again if the phone became hot during it."""
    notes = list(self._notes)
    for _ in range(HOT_ATTEMPTS):
      before = self._cool_condition(settings, notes)
      reading = self._run(model, settings, is_reference)
      after = phone_condition.read_condition(self._client, settings.cpu_mask)
      if not after.trouble:
        return repeat_of(reading, phone_condition.record(before, after), notes)
      notes.append(f"a repeat that ended hot was not counted: {after.trouble}")
    raise Hot(
      f"The phone became hot {HOT_ATTEMPTS} times while {model} was timed ({after.trouble}). Let "
      "it rest before each repeat (cooldown), or put it in a cool place."
    )

  def _part(self, model: str, settings: TimingSettings, is_reference: bool) -> Repeat:
    """One `Repeat` of a continuous use, however hot the phone is."""
    before = phone_condition.read_condition(self._client, settings.cpu_mask)
    reading = self._run(model, settings, is_reference)
    after = phone_condition.read_condition(self._client, settings.cpu_mask)
    return repeat_of(reading, phone_condition.record(before, after), self._notes)

  def _cool_condition(
    self, settings: TimingSettings, notes: list[str]
  ) -> phone_condition.Condition:
    """The phone's `Condition` once it is cool; waits for that, and adds a note if it had to."""
    end = time.monotonic() + settings.hot_wait
    trouble = ""
    condition = phone_condition.read_condition(self._client, settings.cpu_mask)
    while condition.trouble:
      trouble = trouble or condition.trouble
      left = end - time.monotonic()
      if left <= 0:
        raise Hot(
          f"The phone did not cool down within {settings.hot_wait:g} s: {condition.trouble}. Put "
          "it in a cool place, turn a battery saver off, or wait longer (hot_wait)."
        )
      time.sleep(min(COOLING_STEP, left))
      condition = phone_condition.read_condition(self._client, settings.cpu_mask)
    if trouble:
      notes.append(f"waited for a hot phone: {trouble}")
    if not condition.is_known:
      notes.append("the phone says nothing of its heat and its clocks")
    return condition

  def raw_outputs(
    self,
    path: pathlib.Path,
    inputs: Sequence[bytes],
    tensors: Tensors,
    settings: TimingSettings,
  ) -> tuple[list[bytes], tuple[str, ...]]:
    """See `Device.raw_outputs`."""
    if self._client is None:
      raise ValueError("Use AdbDevice as a context manager: `with AdbDevice() as device: ...`.")
    binary = find_binary(**self._source, abi=self.identity.abi)
    programs = find_run_model(**self._source, abi=self.identity.abi)
    libraries = npu_files(settings)
    tool = output_tools.tool_of(self._build, binary, programs.get(output_tools.RUN_MODEL))
    (model,) = self._folder.push_models([path])
    with self._folder.programs(programs | libraries):
      outputs, notes = taken_from(
        self._folder, tool, model, self._execute, inputs, tensors, settings
      )
    self._folder.remove_models()
    return outputs, notes

  def _run(self, model: str, settings: TimingSettings, is_reference: bool) -> Reading:
    """The `Reading` of one run of the program."""
    settings = without_demands(settings) if is_reference else settings
    libraries = self._folder.path if settings.npu_libraries else None
    flags = benchmark_model.arguments(model, settings, self._build, RESULTS, libraries)
    prepare = f"{CLEAR_RESULTS} && {LOAD_FROM_HERE}" if libraries else CLEAR_RESULTS
    done, line = self._execute(model, prepare, ["./benchmark_model", *flags], settings)
    with tempfile.TemporaryDirectory() as results:
      if not done.exit_status and self._build.writes_files:
        self._folder.pull_results(results)
      is_full = settings.require_full_delegation
      return benchmark_model.read(*done, line, settings.delegate, results, is_full, is_reference)

  def _execute(
    self, model: str, prepare: str, program: Sequence[str], settings: TimingSettings
  ) -> tuple[adb_client.Output, str]:
    """(what a program in the folder printed, the command that ran it); TimedOut if it hangs."""
    limit = math.ceil(settings.timeout)
    mask = ["taskset", settings.cpu_mask] if settings.cpu_mask else []
    # The phone itself ends the program, because one that is cut off from adb goes on.
    words = ["timeout", "-s", "KILL", str(limit), *mask, *program]
    script = f"cd {shlex.quote(self._folder.path)} && {prepare} && exec {shlex.join(words)}"
    line = self._client.shell_line(script)
    problem = f"{model} did not end within {limit} s, and was ended on the phone."
    start = time.monotonic()
    try:
      done = self._client.shell(script, limit + GRACE)
    except adb_client.NoAnswer as error:
      # If the phone answers to this it was the program that hung; else it is lost.
      self._folder.end_programs()
      raise TimedOut(problem, line) from error
    except BaseException as error:
      with _noted(error):
        self._folder.end_programs()
      raise
    if done.exit_status and time.monotonic() - start >= limit:
      raise TimedOut(problem, line, done.stdout + done.stderr)
    return done, line

  def _leave(self, error: BaseException | None) -> None:
    """Leaves the phone as it was; `error` is what is under way, or None."""
    client, self._client = self._client, None
    with _noted(error):
      try:
        self._folder.clear()
      except DeviceLost:
        client.connect()  # It may be back by now.
        self._folder.clear()


@contextlib.contextmanager
def _noted(error: BaseException | None) -> Iterator[None]:
  """Lets what fails inside become a note of `error`, which says more; None: it is raised."""
  try:
    yield
  except TimingError as failure:
    if error is None:
      raise
    error.add_note(f"The phone could not be left as it was: {failure}")
