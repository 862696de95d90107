"""Nothing that only one machine has is needed: a locale, a home folder, a writable package.

One run meets them all: no UTF-8 (LANG=C), German numbers and dates, a home whose name has blanks
and umlauts, classes with umlauts, and a package nothing may be written into.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import short_backbone
from PIL import Image

from nadv2_tf.benchmarks.timing.devices import phone_folder
from nadv2_tf.benchmarks.timing.devices.host import HostDevice
from nadv2_tf.benchmarks.timing.errors import DeviceError
from nadv2_tf.options import TimingSettings
from nadv2_tf.pipeline.plan import command
from nadv2_tf.pipeline.run_folder import lock
from nadv2_tf.spec import files

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = ("Birnen", "Süße Kirschen", "Äpfel")
#: programs that have windows do so: numbers with a comma, names of months
GERMAN = "import locale\nlocale.setlocale(locale.LC_ALL, '')\nassert '%.1f' % 0.5 == '0.5'\n"
FLAGS = (
  short_backbone.FLAG, "--image_size=16", "--holdout=6", "--batch_size=6", "--epochs=1",
  "--full_epochs=1", "--finetune_epochs=1", "--subnetworks_per_batch=2", "--metric=macs",
  "--target=80%", "--samples_per_iteration=2", "--layers_per_sample=8", "--tighten=0",
  "--device=table:none",
)  # fmt: skip


@pytest.fixture
def package(tmp_path):
  """A copy of the package without the right to write."""
  site = tmp_path / "site"
  ignored = shutil.ignore_patterns("__pycache__")
  shutil.copytree(ROOT / "nadv2_tf", site / "nadv2_tf", ignore=ignored)
  for name in ("flags", "export", "benchmarks"):
    shutil.copytree(ROOT / name, site / "nadv2_tf" / name, ignore=ignored)
  for path in sorted(site.rglob("*"), reverse=True):
    path.chmod(0o555 if path.is_dir() else 0o444)
  yield site
  for path in site.rglob("*"):
    path.chmod(0o755)


@pytest.fixture
def german(tmp_path):
  """Variables for German numbers; {} where the machine cannot make the locale."""
  folder = tmp_path / "locales"
  folder.mkdir()
  program = shutil.which("localedef")
  command = [program, "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"]
  if not program or subprocess.run(command, capture_output=True, check=False).returncode > 1:
    return {}
  names = ("NUMERIC", "TIME", "COLLATE", "MONETARY", "MESSAGES")
  return {"LOCPATH": str(folder), **{f"LC_{name}": "de_DE.UTF-8" for name in names}}


def write_photos(folder):
  rng = np.random.default_rng(0)
  for part, count in (("train", 10), ("test", 3)):
    for label, name in enumerate(CLASSES):
      place = folder / part / name
      place.mkdir(parents=True)
      for number in range(count):
        image = rng.integers(0, 80, (16, 16, 3))
        image[5 * label : 5 * label + 5] += 150
        Image.fromarray(image.astype(np.uint8)).save(place / f"Früchte {number}.png")


@pytest.mark.slow
def test_a_run_on_another_machine(tmp_path, package, german):
  home = tmp_path / "Jörg Müller"
  write_photos(home / "Meine Bilder")
  (tmp_path / "start").mkdir()
  (tmp_path / "start" / "sitecustomize.py").write_text(GERMAN if german else "")
  helpers = pathlib.Path(short_backbone.__file__).parent
  environment = {
    **{name: value for name, value in os.environ.items() if not name.startswith("LC_")},
    **{"LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": str(home)},
    "PYTHONPATH": os.pathsep.join(map(str, (package, tmp_path / "start", helpers))),
    **german,
  }
  before = sorted(package.rglob("*"))
  flags = ["--data=folder:~/Meine Bilder", f"--output={home / 'Läufe' / 'erster Lauf'}"]
  done = subprocess.run(
    [sys.executable, "-B", short_backbone.__file__, "run", *FLAGS, *flags],
    cwd=home,
    env=environment,
    capture_output=True,
    check=False,
    timeout=600,
  )
  assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
  assert b"Traceback" not in done.stderr
  assert sorted(package.rglob("*")) == before
  output = home / "Läufe" / "erster Lauf"
  metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
  assert 0 <= metrics["test_accuracy_tflite"] <= 1

  from nadv2_tf.export import metadata

  assert metadata.read_labels((output / "found.tflite").read_bytes()) == sorted(CLASSES)


def test_a_class_whose_name_is_not_utf_8_is_told_and_written(run_command, tmp_path):
  """As an archive of another system unpacks; networks are evaluated and exported on it."""
  import keras

  for part in ("train", "test"):
    for name in (b"Birnen", b"K\xfcrbisse"):
      place = tmp_path / "photos" / part / os.fsdecode(name)
      try:
        place.mkdir(parents=True)
      except OSError:
        pytest.skip("this file system has names in UTF-8 only")
      for number in range(3):
        Image.new("RGB", (8, 8), (50 * number, 99 if name == b"Birnen" else 200, 3)).save(
          place / os.fsdecode(b"\xfc%d.png" % number)
        )
  model = keras.Sequential(
    [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
  )
  model.save(tmp_path / "net.keras")
  flags = [f"--network={tmp_path / 'net.keras'}", f"--data=folder:{tmp_path / 'photos'}"]
  status, printed, stderr = run_command("evaluate", *flags)
  assert status == 0, stderr
  assert "K\ufffdrbisse" in printed
  status, _, stderr = run_command("export", *flags, f"--output={tmp_path / 'run'}")
  assert status == 0, stderr
  # An error that names such a file is one line as well.
  broken = tmp_path / "photos" / "train" / "Birnen" / os.fsdecode(b"\xfc1.png")
  broken.write_bytes(b"no picture")
  status, _, stderr = run_command("evaluate", *flags)
  assert status == 1 and len(stderr.splitlines()) == 1 and "\\udcfc1.png" in stderr


# --- systems that lack something: one line says what, or nothing is missed


def test_where_folders_cannot_be_locked_a_run_says_so(tmp_path, monkeypatch):
  monkeypatch.setattr(lock, "fcntl", None)
  monkeypatch.setattr(lock.platform, "system", lambda: "Windows")
  with (
    pytest.raises(ValueError, match="runs lock their folders by flock, which Windows does not"),
    lock.locked(tmp_path / "run"),
  ):
    pass
  assert not (tmp_path / "run").exists()


def test_files_are_read_and_written_where_there_are_no_pipes_and_no_open_folders(
  tmp_path, monkeypatch
):
  monkeypatch.delattr(os, "O_NONBLOCK")
  (tmp_path / "a").write_bytes(b"1")
  assert files.read_bounded(tmp_path / "a", 10) == b"1"
  opened = []
  open_file = os.open
  monkeypatch.setattr(os, "open", lambda path, *rest: opened.append(path) or open_file(path, *rest))
  system = types.SimpleNamespace(
    **{name: getattr(os, name) for name in ("open", "close", "fsync", "O_RDWR")}, name="nt"
  )
  monkeypatch.setattr(files, "os", system)
  files.move_into_place(tmp_path / "a", tmp_path / "b")
  assert (tmp_path / "b").read_bytes() == b"1" and tmp_path not in opened


def test_processors_that_cannot_be_chosen_are_one_line(tmp_path, monkeypatch):
  monkeypatch.delattr(os, "sched_setaffinity")
  with pytest.raises(DeviceError, match="lets no program choose its processors.*--cpu_mask=3 out"):
    HostDevice().measure([tmp_path / "a.tflite"], TimingSettings(cpu_mask="3"))


def test_a_plan_says_nothing_of_memory_that_is_not_known(monkeypatch):
  assert command._peak_gib() > 0
  monkeypatch.setitem(sys.modules, "resource", None)
  assert command._peak_gib() is None


def test_files_are_copied_where_links_are_not_allowed(tmp_path, monkeypatch):
  def refuse(*unused):
    raise OSError("[WinError 1314] A required privilege is not held by the client")

  monkeypatch.setattr(pathlib.Path, "symlink_to", refuse)
  pushed = []
  client = types.SimpleNamespace(
    push=lambda links, remote: pushed.extend((link.name, link.read_bytes()) for link in links)
  )
  (tmp_path / "net.tflite").write_bytes(b"net")
  folder = phone_folder.PhoneFolder(client, "/data/local/tmp")
  folder._push({"0-net.tflite": tmp_path / "net.tflite"}, folder.path)
  assert pushed == [("0-net.tflite", b"net")]
  # Signal 0 would be Ctrl-C there.
  system = types.SimpleNamespace(name="nt")
  monkeypatch.setattr(phone_folder, "os", system)
  assert phone_folder._is_alive(2**30)


def test_a_file_of_flags_that_is_no_text_is_one_line(fails, tmp_path):
  (tmp_path / "my.flags").write_bytes(b"--network=\xa5\n")
  fails("--flagfile=.*my.flags is no text in UTF-8", "count", f"--flagfile={tmp_path}/my.flags")
