"""A phone to test with: Android's real adb and adbd, with stand-ins for Android's own commands.

And a server that programs for it are fetched from, and files that cost nothing to make.
"""

import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest
from file_server import Server

from nadv2_tf.benchmarks.tables import measurement
from nadv2_tf.benchmarks.timing.devices import adb_client
from nadv2_tf.benchmarks.timing.devices.adb import AdbDevice

HERE = pathlib.Path(__file__).parent
CANNOT_RUN = 77  # exit status of with_adbd.sh

PROPS = """\
ro.product.manufacturer=Example
ro.product.model=Phone One
ro.product.cpu.abi=x86_64
ro.build.version.release=14
ro.build.id=UQ1A.240205
"""


class Daemon:
  """An adbd in namespaces of its own, which last until `stop`.

  Attributes:
    adb: path of a script that runs adb inside, from outside.
    serial: of the device.
    state: folder with what the stand-ins say and are told.
    programs: folder with the stand-ins, which is on the daemon's PATH.
  """

  def __init__(self, folder, port):
    self.state = folder / "state"
    self.programs = folder / "programs"
    for path in (self.state, self.programs):
      path.mkdir()
    self.serial = f"127.0.0.1:{port}"
    environment = {
      **os.environ,
      "PATH": f"{self.programs}:{os.environ['PATH']}",
      "PHONE": str(self.state),
      "ADBD_PORT": str(port),
      "ANDROID_ADB_SERVER_PORT": "15037",
      "ADB_USB": "0",  # adb otherwise waits three seconds for plugs
    }
    program = adb_client.find_adb()
    # Root that may write everywhere is no phone's shell user.
    limit = (
      ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    )
    command = [
      *limit,
      "bash",
      str(HERE / "with_adbd.sh"),
      "sh",
      "-c",
      '"$0" start-server; echo; cat',
    ]
    with (folder / "stderr").open("wb") as stderr:
      self._process = subprocess.Popen(
        [*command, program],
        stdin=subprocess.PIPE,  # ends with this process, and so does `cat`
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
      )
    if not self._process.stdout.readline():
      self._explain((folder / "stderr").read_text().strip())
    self._namespaces = f"/proc/{self._process.pid}/ns"
    self.adb = folder / "adb"
    self.adb.write_text(
      "#!/bin/sh\nexport ANDROID_ADB_SERVER_PORT=15037 ADB_USB=0\n"
      f'exec nsenter --net={self._namespaces}/net "{program}" "$@"\n'
    )
    self.adb.chmod(0o755)

  def _explain(self, stderr):
    status = self._process.wait()
    if status == CANNOT_RUN:
      pytest.skip(f"no adbd here: {stderr.splitlines()[-1]}")
    pytest.fail(f"with_adbd.sh: exit status {status}\n{stderr}")

  def mount(self, *arguments):
    """Mounts something that only the daemon sees."""
    space = f"--mount={self._namespaces}/mnt"
    subprocess.run(["nsenter", space, "mount", *map(str, arguments)], check=True)

  def stop(self):
    self._process.kill()
    self._process.wait()


class Phone:
  """A daemon as one test sees it: a fresh phone that is plugged in, cool and asleep."""

  def __init__(self, daemon, remote):
    self.daemon, self.state, self.remote = daemon, daemon.state, remote
    # The folder stays, because it is mounted; what is in it is new.
    for folder in (self.state / "settings", self.state / "cpu", daemon.programs):
      folder.mkdir(exist_ok=True)
      for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in self.state.iterdir():
      if path.is_file():
        path.unlink()
    for path in (HERE / "phone").iterdir():
      shutil.copy(path, daemon.programs)
      (daemon.programs / path.name).chmod(0o755)
    self.binary = remote.parent / "benchmark_model"
    (daemon.programs / "benchmark_model").replace(self.binary)
    self.say("props", PROPS)
    self.say("thermal", "0\n")
    self.say("wakefulness", "Asleep\n")
    self.say("settings/stay_on_while_plugged_in", "0\n")
    self.play("ok")

  def say(self, name, text):
    (self.state / name).write_text(text)

  def said(self, name):
    return (self.state / name).read_text().strip()

  def play(self, name):
    """Lets benchmark_model say what was recorded as `name`."""
    for part in ("stdout", "stderr", "rc"):
      shutil.copy(HERE / "recorded" / f"{name}.{part}", self.state / f"says.{part}")

  def install(self, name, **writes):
    """Puts another stand-in of `phone/` in the place of benchmark_model.

    Args:
      name: of the stand-in.
      **writes: contents of the files that it writes, by their names without the ending .pb.
    """
    shutil.copy(HERE / "phone" / name, self.binary)
    self.write(**writes)

  def write(self, **writes):
    """Lets what runs on the phone write these files."""
    folder = self.state / "writes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in writes.items():
      (folder / f"{name}.pb").write_bytes(content)

  def say_clock(self, processor, current, allowed, possible):
    folder = self.state / "cpu" / processor / "cpufreq"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scaling_cur_freq").write_text(f"{current}\n")
    (folder / "scaling_max_freq").write_text(f"{allowed}\n")
    (folder / "cpuinfo_max_freq").write_text(f"{possible}\n")

  def device(self, **arguments):
    arguments = {"serial": self.daemon.serial, "binary": self.binary, **arguments}
    return AdbDevice(**{"remote_folder": str(self.remote), "adb": self.daemon.adb, **arguments})

  def client(self):
    return adb_client.choose_device(self.daemon.serial, self.daemon.adb)

  def disconnect(self):
    """What a lost Wi-Fi does."""
    subprocess.run([self.daemon.adb, "disconnect", self.daemon.serial], check=True)

  def processes(self):
    """Numbers of the processes whose working folder is on the phone's disk."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
      try:
        folder = str((process / "cwd").readlink())
      except OSError:  # it has ended
        continue
      if folder.startswith(str(self.remote)):  # the folder itself may be deleted
        found.append(int(process.name))
    return found

  def wait_for_program(self):
    """Returns once benchmark_model hangs."""
    end = time.monotonic() + 60
    while not (self.state / "calls").exists() or not self.processes():
      assert time.monotonic() < end, "benchmark_model did not start"
      time.sleep(0.02)

  def timed(self, with_reference=False):
    """The labels of the files that were timed, in order."""
    labels = [line.split()[0] for line in self.said("calls").splitlines()]
    return [label for label in labels if with_reference or label != "reference"]

  def assert_nothing_runs(self):
    end = time.monotonic() + 30  # a process that was killed is gone a moment later
    while self.processes() and time.monotonic() < end:
      time.sleep(0.02)
    assert self.processes() == []

  def assert_as_it_was(self):
    """Nothing runs or lies on the phone, it sleeps, and its setting is what it was."""
    self.assert_nothing_runs()
    assert list(self.remote.iterdir()) == []
    assert self.said("wakefulness") == "Asleep"
    assert self.said("settings/stay_on_while_plugged_in") == "0"


@pytest.fixture(scope="session")
def start_daemon(tmp_path_factory):
  """Function (port) -> `Daemon`; skips the test where there can be none."""
  missing = [name for name in ("bash", "nsenter", "setpriv") if not shutil.which(name)]
  if missing:
    pytest.skip(f"no adbd here: needs {', '.join(missing)}")
  daemons = []

  def start(port):
    daemons.append(Daemon(tmp_path_factory.mktemp("adbd"), port))
    return daemons[-1]

  yield start
  for daemon in daemons:
    daemon.stop()


@pytest.fixture(scope="session")
def daemon(start_daemon):
  """The daemon that the tests share."""
  daemon = start_daemon(5555)
  (daemon.state / "cpu").mkdir()
  daemon.mount("--bind", daemon.state / "cpu", "/sys/devices/system/cpu")
  return daemon


def _phone(daemon, tmp_path, monkeypatch):
  monkeypatch.delenv("ANDROID_SERIAL", raising=False)
  remote = tmp_path / "disk"
  remote.mkdir()
  return Phone(daemon, remote)


@pytest.fixture
def phone(daemon, tmp_path, monkeypatch):
  """A `Phone`."""
  return _phone(daemon, tmp_path, monkeypatch)


@pytest.fixture
def mortal_phone(start_daemon, tmp_path, monkeypatch):
  """A `Phone` with a daemon for itself, on a port where adb does not look by itself."""
  return _phone(start_daemon(6001), tmp_path, monkeypatch)


@pytest.fixture
def models(tmp_path):
  """Function (labels) -> files that say their label; all have the same name."""

  def write(*labels):
    paths = [tmp_path / "models" / label / "net.tflite" for label in labels]
    for path, label in zip(paths, labels, strict=True):
      path.parent.mkdir(parents=True)
      path.write_text(label)
    return paths

  return write


@pytest.fixture
def server(monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  server = Server()
  thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
  thread.start()
  yield server
  server.http.shutdown()
  server.http.server_close()
  thread.join()


@pytest.fixture
def cache(tmp_path):
  return tmp_path / "cache" / "of tools"


@pytest.fixture
def cheap_files(monkeypatch):
  """Files whose bytes say what they would time."""
  monkeypatch.setattr(measurement, "piece_file", lambda piece: repr(piece).encode())
  monkeypatch.setattr(measurement, "network_file", lambda spec: spec.to_json().encode())
