"""The wheel: what is in it, and that its commands start where nothing else of the tree is."""

import configparser
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[1]
MISSING = [name for name in ("pip", "setuptools", "wheel") if not importlib.util.find_spec(name)]
if MISSING:
  pytest.skip(f"building the wheel needs {', '.join(MISSING)}", allow_module_level=True)
if not (ROOT / "setup.cfg").is_file():
  pytest.skip("the wheel is built in the source tree only", allow_module_level=True)

FOLDERS = {
  "nadv2_tf": "nadv2_tf",
  "flags": "nadv2_tf/flags",
  "export": "nadv2_tf/export",
  "benchmarks": "nadv2_tf/benchmarks",
}
#: all that the wheel is made of
INPUTS = {*FOLDERS, "setup.cfg", "pyproject.toml", "README.md", "LICENSE"}
SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
COMMANDS = dict(
  line.split(" = ")
  for line in SETUP["options.entry_points"]["console_scripts"].strip().splitlines()
)
#: takes tenths of a second to import, or seconds: for work, and not for --help
HEAVY = {
  "PIL",
  "adbutils",
  "ai_edge_litert",
  "flatbuffers",
  "google",
  "jax",
  "keras",
  "matplotlib",
  "numpy",
  "scipy",
  "tensorflow",
  "tensorflow_datasets",
  "tensorflow_model_optimization",
  "tf_keras",
  "tqdm",
}


def _run(command, cwd, **environment):
  """Runs a command that must not wait for input; its result, with output as text."""
  return subprocess.run(
    [str(part) for part in command],
    cwd=cwd,
    env={**os.environ, **environment},
    stdin=subprocess.DEVNULL,
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )


def _run_watched(arguments, installed):
  """Runs Python with the installed wheel; (its result, top-level names of all that it loaded)."""
  target, elsewhere = installed
  command = [sys.executable, "-X", "importtime", *arguments]
  done = _run(command, elsewhere, PYTHONPATH=str(target))
  assert "Traceback" not in done.stderr, done.stderr
  names = re.findall(r"^import time:.*\| *(\w+)[\w.]*$", done.stderr, re.MULTILINE)
  return done, set(names)


def _source_paths():
  """Files of `INPUTS` relative to the root; with git, those that it has or would take."""
  git = shutil.which("git")
  listed = git and _run([git, "ls-files", "-co", "--exclude-standard", "-z"], ROOT)
  if listed and listed.returncode == 0:
    paths = {pathlib.Path(name) for name in listed.stdout.split("\0") if name}
  else:
    paths = {path.relative_to(ROOT) for path in ROOT.rglob("*") if "__pycache__" not in path.parts}
  return sorted(path for path in paths if path.parts[0] in INPUTS and (ROOT / path).is_file())


def _in_wheel(path):
  """Where a source file of one of the packages stands in the wheel."""
  return f"{FOLDERS[path.parts[0]]}/{'/'.join(path.parts[1:])}"


SOURCE = [path for path in _source_paths() if path.parts[0] in FOLDERS]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
  """The wheel, built from a copy of the tree without anything built before."""
  copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
  for path in _source_paths():
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / path, copy / path)
  pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
  built = _run([*pip, "--wheel-dir", out, copy], copy)
  assert built.returncode == 0, built.stdout + built.stderr
  (path,) = out.glob("*.whl")
  return path


@pytest.fixture(scope="module")
def names(wheel):
  """Names of the files in the wheel."""
  with zipfile.ZipFile(wheel) as file:
    return set(file.namelist())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
  """A folder into which the wheel is installed, and an empty one to work in."""
  target, elsewhere = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("elsewhere")
  pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile"]
  done = _run([*pip, "--target", target, wheel], elsewhere)
  assert done.returncode == 0, done.stdout + done.stderr
  return target, elsewhere


def test_the_package_is_the_only_top_level_name(names):
  tops = {name.split("/")[0] for name in names}
  assert {top for top in tops if not top.endswith(".dist-info")} == {"nadv2_tf"}


def test_every_python_file_of_the_tree_is_in_the_wheel(names):
  python = {_in_wheel(path) for path in SOURCE if path.suffix == ".py"}
  assert len(python) > 50 and python - names == set()


def test_every_package_of_the_tree_is_listed_and_has_an_init_file():
  # Folders without Python files hold data or results.
  packages = {
    str(pathlib.PurePosixPath(_in_wheel(path)).parent) for path in SOURCE if path.suffix == ".py"
  }
  listed = SETUP["options"]["packages"].split()
  assert sorted(package.replace("/", ".") for package in packages) == sorted(listed)
  in_wheel = {_in_wheel(path) for path in SOURCE}
  assert [package for package in packages if f"{package}/__init__.py" not in in_wheel] == []


@pytest.mark.parametrize("suffix", [".npz", ".flags"])
def test_data_files_are_in_the_wheel(names, suffix):
  data = {_in_wheel(path) for path in SOURCE if path.suffix == suffix}
  assert data and data - names == set()


def test_licence_and_description_are_in_the_wheel(wheel, names):
  assert any(name.endswith("LICENSE") for name in names)
  with zipfile.ZipFile(wheel) as file:
    (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    text = file.read(metadata).decode()
  description = (ROOT / "README.md").read_text(encoding="utf-8").strip()
  assert "Name: nadv2-tf" in text and description in text


def test_the_installed_package_is_the_one_that_starts(installed):
  target, elsewhere = installed
  code = "import nadv2_tf.flags.define as g, nadv2_tf; print(nadv2_tf.__file__, g.__file__)"
  done = _run([sys.executable, "-c", code], elsewhere, PYTHONPATH=str(target))
  assert done.returncode == 0, done.stderr
  assert all(path.startswith(str(target)) for path in done.stdout.split())


# Some flags that each command must list.
FLAGS = {
  "nadv2-count": {"network", "json"},
  "nadv2-evaluate": {"network", "data", "part"},
  "nadv2-export": {"network", "output"},
  "nadv2-finetune": {"output", "finetune_epochs"},
  "nadv2-latency-table": {"backbone", "classes", "device", "check_networks", "output"},
  "nadv2-report": {"output"},
  "nadv2-run": {"output", "backbone", "data", "epochs", "target", "finetune_epochs"},
  "nadv2-search": {"output", "metric", "target", "device", "samples_per_iteration"},
  "nadv2-time": {"tflite", "device", "num_threads", "runs", "max_spread"},
  "nadv2-train": {"output", "backbone", "data", "epochs"},
}


def test_every_command_stands_in_the_table():
  assert set(COMMANDS) == set(FLAGS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_lists_its_flags_and_loads_nothing_heavy(installed, command):
  target, elsewhere = installed
  done, loaded = _run_watched([target / "bin" / command, "--help"], installed)
  assert done.returncode in (0, 1), done.stderr  # absl's --help exits with 1
  listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", done.stdout, re.MULTILINE))
  assert listed >= FLAGS[command]
  assert list(elsewhere.iterdir()) == []
  assert loaded > {"absl", "nadv2_tf"} and loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
  ("arguments", "said"),
  [
    (["--output=x", "--optimizer=adagrad"], "adagrad"),
    (["--output=x", "--search_optimizer=hill"], "uniform, got 'hill'"),
    (["--output=x", "--metric=watts"], "must be one of latency_ms"),
    (["--output=x", "--epoch=3"], "Unknown command line flag 'epoch'"),
    (["--output=x", "demo"], "unexpected argument 'demo'"),
    ([], "--output must have a value"),
  ],
)
def test_a_wrong_flag_is_told_before_anything_heavy_is_loaded(installed, arguments, said):
  script = installed[0] / "bin" / "nadv2-run"
  done, loaded = _run_watched([script, *arguments], installed)
  assert done.returncode == 1 and said in done.stdout + done.stderr
  assert loaded > {"absl", "nadv2_tf"} and loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
  "code",
  [
    "import nadv2_tf",
    "import random, nadv2_tf as nad; s = nad.backbones.search_space('mobilenet_v3_demo'); "
    "assert s.sample(random.Random(0)).macs() > 0",
  ],
)
def test_specs_are_sampled_and_counted_with_the_standard_library_alone(installed, code):
  done, loaded = _run_watched(["-c", code], installed)
  assert done.returncode == 0, done.stderr
  assert "nadv2_tf" in loaded and loaded.isdisjoint(HEAVY | {"absl"})


def test_count_says_the_published_macs_and_starts_no_tensorflow(installed):
  script = installed[0] / "bin" / "nadv2-count"
  done, loaded = _run_watched([script, "--network=netadaptv2_51ms", "--json"], installed)
  assert done.returncode == 0, done.stderr
  counts = json.loads(done.stdout)
  # NetAdaptV2, Table 8: 225M.
  assert counts["macs_millions"] == "223.06M"
  assert counts["macs_with_bias_millions"] == "224.96M"
  assert "nadv2_tf" in loaded and loaded.isdisjoint(HEAVY)


def test_count_names_what_is_wrong_in_one_line(installed):
  target, elsewhere = installed
  script = [target / "bin" / "nadv2-count", "--network=resnet"]
  done = _run([sys.executable, *script], elsewhere, PYTHONPATH=str(target))
  assert done.returncode == 1 and done.stdout == ""
  assert re.fullmatch(r"error: Unknown network 'resnet'\. Known: fastdepth, .*\n", done.stderr)


def test_the_extra_of_tflite_support_can_be_met():
  """It wants protobuf below 4 (3.20 is its last), and TensorFlow 2.19 is the last that takes it."""
  config = configparser.ConfigParser()
  config.read(ROOT / "setup.cfg")
  needed = {}
  for line in config["options"]["install_requires"].split("\n"):
    if line and not line.startswith("#"):
      requirement = Requirement(line)
      needed[requirement.name] = requirement.specifier
  assert needed["protobuf"].contains("3.20.3") and needed["tensorflow"].contains("2.19.1")
