"""Signals, locks, full disks and vanished files: one clear line, and nothing is lost."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import short_backbone

from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.run_folder.lock import LOCK, locked
from nadv2_tf.programs import start
from nadv2_tf.training.checkpoints import interruption

SMALL = [
  short_backbone.FLAG, "--image_size=8", "--holdout=8", "--batch_size=8",
  "--subnetworks_per_batch=2", "--seed=0",
]  # fmt: skip


@pytest.fixture(autouse=True)
def handlers():
  """Puts the handlers back that pytest has."""
  before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
  yield
  for number, handler in before.items():
    signal.signal(number, handler)


@pytest.fixture
def data(tmp_path):
  rng, path = np.random.default_rng(0), tmp_path / "data.npz"
  labels = np.arange(40) % 2
  images = rng.integers(0, 90, (40, 8, 8)) + 120 * labels[:, None, None]
  np.savez(
    path, x_train=images.astype(np.uint8), y_train=labels,
    x_test=images[:8].astype(np.uint8), y_test=labels[:8],
  )  # fmt: skip
  return path


def training(output, data, epochs=2000):
  """Arguments of nadv2-train; two thousand epochs are hours."""
  return [f"--data=npz:{data}", f"--output={output}", f"--epochs={epochs}", *SMALL]


# --- signals


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_waits_for_what_is_begun(number, status):
  interruption.install()
  done = []
  with pytest.raises(interruption.Stopped) as stop:
    with interruption.finished():
      with interruption.finished():
        os.kill(os.getpid(), number)
        done.append("inner")
      done.append("outer")
    done.append("never")
  assert done == ["inner", "outer"]
  assert stop.value.is_clean and 128 + stop.value.signal == status
  assert not isinstance(stop.value, Exception)  # no `except Exception` holds it up
  with interruption.finished():
    done.append("asked once, told once")


def test_a_second_signal_does_not_wait():
  interruption.install()
  with pytest.raises(interruption.Stopped) as stop, interruption.finished():
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    pytest.fail("it waited")
  assert not stop.value.is_clean
  with interruption.finished():
    pass


def test_elsewhere_a_signal_stops_at_once_and_says_how_to_go_on(capsys):
  def main():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)

  for goes_on, text in (
    (
      True,
      "stopped by SIGTERM; what was finished is kept, and the same command goes on from there.",
    ),
    (False, "stopped by SIGTERM."),
  ):
    with pytest.raises(SystemExit) as end:
      start._guarded(main, [""], goes_on)
    assert end.value.code == 143
    assert capsys.readouterr().err == text + "\n"


@pytest.mark.slow
def test_a_training_stops_after_its_step_and_goes_on(data, output, run_command, process_of):
  """The program itself, as a scheduler stops it."""
  command = process_of("train", *training(output, data))
  with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
    for line in run.stdout:
      if "super-network: " in line:  # the first steps are over
        run.send_signal(signal.SIGTERM)
        break
    _, stderr = run.communicate(timeout=120)
  assert run.returncode == 143
  found = re.fullmatch(
    r"stopped by SIGTERM; step (\d+) of 8000 is saved in (.*), and the same command goes on from "
    r"there\.\n",
    stderr,
  )
  assert found, stderr
  (newest,) = sorted(pathlib.Path(found[2]).glob("*.npz"))[-1:]
  assert newest.stem == f"step_{int(found[1]):09d}"
  assert not (output / LOCK).exists()
  # It goes on from that very step; the data file that is gone meanwhile is named, nothing is lost.
  before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
  data.rename(data.with_name("gone"))
  status, _, stderr = run_command("train", *training(output, data))
  assert status == 1 and re.fullmatch(
    rf"error: Cannot read the archive {data}: .*No such file.*\n", stderr
  )
  assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


# --- two commands on one folder


def test_the_second_command_is_told_who_holds_the_folder(fails, data, output):
  with locked(output):
    message = rf"--output={output} is in use by .*, process {os.getpid()} on .*, since 20.*Wait for"
    fails(message, "train", *training(output, data, epochs=1))
    assert [path.name for path in output.iterdir()] == [LOCK]


def test_a_lock_ends_with_its_process(output):
  code = (
    "import os, pathlib, sys; from nadv2_tf.pipeline.run_folder.lock import locked\n"
    "with locked(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
  )
  done = subprocess.run([sys.executable, "-c", code, str(output)], check=False)
  assert done.returncode == -signal.SIGKILL and (output / LOCK).exists()
  RunFolder(output).check()  # a folder with nothing else in it can be taken
  with locked(output):
    pass
  assert list(output.iterdir()) == []


def test_half_files_of_a_killed_command_are_removed(output):
  from nadv2_tf.training.network_files import save_atomically

  folder = RunFolder(output).open()
  (output / "target_1").mkdir()
  begun = []

  def save(path):
    path.write_bytes(b"half")
    begun.append(path.name)

  for place in (output, output / "target_1"):
    (place / ".found.json.abc.partial").touch()
    for network in ("found.keras", "super.weights.h5"):
      save_atomically(save, place / network)
      (place / network).rename(place / begun[-1])  # as a kill before the last step leaves it
  assert set(begun) == {".found.partial.keras", ".super.partial.weights.h5"}
  with folder.locked():
    pass
  assert [path.name for path in output.rglob("*") if path.is_file()] == ["run.json"]


# --- disks


@pytest.fixture
def small_disk(tmp_path):
  """A file system of 300 KiB."""
  place = tmp_path / "disk"
  place.mkdir()
  mount = shutil.which("mount")
  command = [mount, "-t", "tmpfs", "-o", "size=300k", "tmpfs", place]
  if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
    pytest.skip("mounting a small file system is not permitted here")
  yield place
  subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_one_line(fails, data, small_disk):
  """The first checkpoint is larger than the disk; what was there before stays."""
  message = r"No space left on device: '.*step_000000000\.npz'"
  fails(message, "train", *training(small_disk / "run", data, epochs=1))
  left = [path.name for path in (small_disk / "run").rglob("*") if path.is_file()]
  assert sorted(left) == ["metrics.json", "run.json"]


def test_a_read_only_folder_is_one_line(fails, data, small_disk):
  subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
  fails(r"Read-only file system: '.*run'", "train", *training(small_disk / "run", data, epochs=1))


def test_weights_on_a_full_disk_leave_no_half_file(tmp_path):
  from nadv2_tf.training.network_files import save_atomically

  def save(path):
    path.write_bytes(b"half")
    raise RuntimeError("Can't decrement id ref count\n(file write failed: No space left on device)")

  (tmp_path / "a.weights.h5").write_bytes(b"before")
  with pytest.raises(OSError, match=r"No space left on device\): '.*a\.weights\.h5'") as error:
    save_atomically(save, tmp_path / "a.weights.h5")
  assert "\n" not in str(error.value)
  assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


# --- files of another network


def test_weights_of_another_network_are_named(tmp_path, tiny_space):
  import keras

  from nadv2_tf.models import stand_alone
  from nadv2_tf.training.network_files import load_weights

  path = tmp_path / "a.weights.h5"
  keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
  model = stand_alone(tiny_space.largest())
  for content in (path.read_bytes(), path.read_bytes()[:900], b""):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} cannot be read as weights of") as error:
      load_weights(model, path)
    assert "\n" not in str(error.value)
