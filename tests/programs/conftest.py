"""Commands, run in forks of one process or in a process of their own."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import short_backbone

# Importing TensorFlow takes seconds, so it is imported once; every command then runs in a fork,
# with standard streams and an exit status of its own.
SERVER = (
  f"""
HELPERS = {str(pathlib.Path(short_backbone.__file__).parent)!r}
"""
  + """
import contextlib, importlib, json, os, signal, sys, traceback
sys.path.append(HELPERS)
import short_backbone
from nadv2_tf.programs.start import start_tensorflow
start_tensorflow()
from nadv2_tf.pipeline import run
for line in sys.stdin:
  job = json.loads(line)
  child = os.fork()
  if not child:
    signal.alarm(60)
    for number, path in (1, job["stdout"]), (2, job["stderr"]):
      os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv, status = job["arguments"], 0
    try:
      with short_backbone.registered() if job["short"] else contextlib.nullcontext():
        importlib.import_module(job["module"]).start()
    except SystemExit as end:
      status = end.code or 0
    except BaseException:
      traceback.print_exc()
      status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
)


@pytest.fixture(scope="session")
def server():
  if not hasattr(os, "fork"):
    pytest.skip("the commands run in forks of one process, which this system does not have")
  command = [sys.executable, "-c", SERVER]
  with subprocess.Popen(
    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
  ) as process:
    yield process
    process.stdin.close()


@pytest.fixture
def run_command(server, tmp_path):
  """Function (command, *arguments) -> exit status, text on stdout, text on stderr.

  Commands know the short backbones if their flags name one, or if `short` says so.
  """

  def run(command, *arguments, short=False):
    files = {stream: tmp_path / f"{stream}.txt" for stream in ("stdout", "stderr")}
    job = {
      "module": f"nadv2_tf.programs.{command}",
      "arguments": [f"nadv2-{command}", *map(str, arguments)],
      "short": short or short_backbone.is_named(arguments),
      **{stream: str(path) for stream, path in files.items()},
    }
    server.stdin.write(json.dumps(job) + "\n")
    server.stdin.flush()
    status = int(server.stdout.readline())
    return status, *(path.read_text(encoding="utf-8") for path in files.values())

  return run


@pytest.fixture
def output(tmp_path):
  return tmp_path / "run"


def check_one_line(status, stderr, message):
  assert status in (1, 2), stderr
  lines = stderr.splitlines()
  assert len(lines) == 1, stderr
  assert lines[0].startswith("error: ")
  assert "Traceback" not in stderr
  assert re.search(message, lines[0]), f"{message!r} is not in {lines[0]!r}"


@pytest.fixture
def fails(run_command, tmp_path):
  """Function (message, command, *arguments); asserts one such line and that nothing was trained."""

  def check(message, command, *arguments):
    status, _, stderr = run_command(command, *arguments)
    check_one_line(status, stderr, message)
    assert not list(tmp_path.rglob("*.weights.h5"))

  return check


@pytest.fixture(name="check_one_line")
def check_one_line_fixture():
  """Function (status, stderr, message); asserts that stderr is one line that says `message`."""
  return check_one_line


@pytest.fixture
def small(tmp_path):
  """Flags of 12 images in three classes, of which 4 are held out and 8 trained on."""
  path, rng = tmp_path / "small.npz", np.random.default_rng(0)
  np.savez(
    path,
    x_train=rng.integers(0, 256, (12, 8, 8), np.uint8),
    y_train=np.arange(12) % 3,
    x_test=rng.integers(0, 256, (3, 8, 8), np.uint8),
    y_test=np.arange(3),
  )
  return [f"--data=npz:{path}", "--holdout=4", "--batch_size=4", "--subnetworks_per_batch=2"]


def process_of(command, *arguments):
  """What starts a command in a process of its own."""
  start = ["-m", f"nadv2_tf.programs.{command}"]
  if short_backbone.is_named(arguments):
    start = [short_backbone.__file__, command]
  return [sys.executable, *start, *map(str, arguments)]


@pytest.fixture(name="process_of")
def process_of_fixture():
  """Function (command, *arguments) -> the list for `subprocess`."""
  return process_of


@pytest.fixture
def start_command():
  """Function (command, *arguments) -> the finished process."""

  def start(command, *arguments):
    return subprocess.run(
      process_of(command, *arguments),
      capture_output=True,
      text=True,
      timeout=120,
      check=False,
    )

  return start
