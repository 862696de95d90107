"""What every command shares: flags that explain themselves, one clear line for an error."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

from absl import app, flags, logging

from nadv2_tf.benchmarks.timing.errors import TimingError
from nadv2_tf.programs import presets
from nadv2_tf.training.checkpoints import interruption

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence


def start(main: Callable[[], None], goes_on: bool = False) -> None:
  """Runs `main()` as an absl program; a known kind of error becomes one line and exit status 1.

  Args:
    main: the program.
    goes_on: whether the same command goes on where it was stopped.
  """
  os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports its CPU features else
  for stream in (sys.stdout, sys.stderr):
    # A name that the terminal's encoding does not have must not end what took hours.
    if isinstance(stream, io.TextIOWrapper):
      with contextlib.suppress(OSError):  # it was redirected after its beginning
        stream.reconfigure(errors="backslashreplace")
  # Malformed metadata costs no picture; what does is an error.
  warnings.filterwarnings("ignore", module="PIL")
  _show_all_flags_in_help()
  try:
    arguments = presets.expanded(sys.argv)
  except ValueError as error:
    fail(one_line(error))
  app.run(lambda arguments: _guarded(main, arguments, goes_on), arguments, _parsed)


def _parsed(arguments: list[str]) -> list[str]:
  """What absl's own parser gives; a wrong flag is one line like every other error."""
  try:
    rest = flags.FLAGS(arguments)
  except flags.Error as error:
    fail(f"{one_line(error).rstrip('.')}; see --help.")
  except UnicodeDecodeError as error:  # of a file of flags, which absl reads
    files = ", ".join(one for one in arguments if one.lstrip("-").startswith("flagfile"))
    fail(f"{files} is no text in UTF-8: {error}.")
  if flags.FLAGS["verbosity"].using_default_value:
    # absl would set it to what TFDS tells of all that it does, before the result.
    logging.set_verbosity(logging.WARNING)
  _go_home()
  return rest


def _go_home() -> None:
  """`~` at the beginning of a flag is the home folder: shells leave it as it is behind a "="."""
  for module, module_flags in flags.FLAGS.flags_by_module_dict().items():
    for flag in module_flags if module.startswith("nadv2_tf") else ():
      if isinstance(flag.value, str) and flag.value.startswith("~"):
        flag.value = str(pathlib.Path(flag.value).expanduser())


def start_tensorflow(needed_by: str | None = None, threads: int | None = None) -> None:
  """Imports TensorFlow without the dozen lines that it prints about absent GPUs.

  With KERAS_BACKEND=jax it is not imported.

  Args:
    needed_by: what cannot do without it.
    threads: that one operator is split into (`programs/threads.py`); None leaves it to TensorFlow,
      as does its own variable, TF_NUM_INTRAOP_THREADS, if that is set.

  Raises:
    ValueError: if it is needed and another backend is set.
  """
  backend = os.environ.get("KERAS_BACKEND", "tensorflow")
  if backend != "tensorflow":
    if needed_by:
      raise ValueError(f"{needed_by} needs TensorFlow; unset KERAS_BACKEND, which is {backend!r}.")
    return
  from nadv2_tf.export.quiet import quiet_stderr

  with quiet_stderr():
    import tensorflow

  # Grappler takes as long as tracing itself, and what a command runs is no faster for it
  # (training/steps/tracing.py, `as_written`). Exported files are rewritten by their converter.
  tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
  if threads and "TF_NUM_INTRAOP_THREADS" not in os.environ:
    with contextlib.suppress(RuntimeError):  # it has computed already, in a process of many uses
      tensorflow.config.threading.set_intra_op_parallelism_threads(threads)


def _show_all_flags_in_help() -> None:
  """Makes --help list the flags of our own modules, not only those of the script itself."""
  by_module = flags.FLAGS.flags_by_module_dict()
  for module, module_flags in list(by_module.items()):
    if module.startswith("nadv2_tf"):
      for flag in module_flags:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _guarded(main: Callable[[], None], arguments: Sequence[str], goes_on: bool = False) -> None:
  if len(arguments) > 1:
    fail(f"unexpected argument {arguments[1]!r}; options start with --, see --help.")
  interruption.install()
  try:
    main()
  except (ValueError, OSError, RuntimeError) as error:
    if os.environ.get("NADV2_TRACEBACK"):
      raise
    # A timing's error quotes the command and the end of its output, line by line.
    fail(str(error) if isinstance(error, TimingError) else one_line(error))
  except interruption.Stopped as stop:
    text = f"stopped by {stop}."
    if goes_on:
      done = stop.saved or "what was finished is kept"
      text = f"stopped by {stop}; {done}, and the same command goes on from there."
    fail(text, 128 + stop.signal, kind="")
  except Exception as error:
    from nadv2_tf.training.strategies import lost_worker

    lost = lost_worker(error)
    if lost is None or os.environ.get("NADV2_TRACEBACK"):
      raise
    fail(str(lost))
  except KeyboardInterrupt:
    fail("interrupted.", status=130)


def one_line(error: BaseException) -> str:
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  return " ".join(lines) if lines else type(error).__name__


def fail(message: str, status: int = 1, kind: str = "error: ") -> NoReturn:
  """Prints one line and ends the program."""
  sys.stdout.flush()
  print(f"{kind}{message}", file=sys.stderr)
  sys.exit(status)
