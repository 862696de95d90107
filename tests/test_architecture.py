"""The floors of the building: who may import whom, and what may be imported from outside."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Where the packages lie in the tree, and the names they are imported by.
FOLDERS = {
  "nadv2_tf": "nadv2_tf",
  "flags": "nadv2_tf.flags",
  "export": "nadv2_tf.export",
  "benchmarks": "nadv2_tf.benchmarks",
}

# From low to high. A room may import the rooms of all lower floors, and not its neighbours on the
# same floor.
FLOORS = (
  ("spec", "data", "stopwatch", "types", "option", "record", "regressor"),
  ("backbones", "resources", "search"),
  ("options",),
  ("layers",),
  ("models",),
  ("tasks",),
  ("training",),
  ("export", "reading"),
  ("benchmarks.timing",),
  ("benchmarks.tables",),
  ("pipeline.progress",),
  ("pipeline.run_folder",),
  ("pipeline.aim",),
  ("pipeline.stages", "pipeline.report"),
  ("pipeline.plan",),
  ("pipeline.order",),
  ("pipeline.run",),
  ("pipeline.adapt",),
  ("flags",),
  ("programs",),
  ("benchmarks.studies",),
)
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}

# What a room may import besides nadv2_tf and the standard library; rooms that are not listed are
# free. Below layers Keras has not started, up to models nothing of TensorFlow itself is used.
OUTSIDE = {
  "spec": set(),
  "stopwatch": set(),
  "types": set(),
  "option": set(),
  "record": set(),
  "regressor": {"numpy", "sklearn"},
  "options": set(),
  "backbones": set(),
  "resources": set(),
  "search": set(),
  "layers": {"keras", "numpy"},
  "models": {"keras", "numpy"},
  "flags": {"absl"},
}

# What a room may import inside its functions besides: only those who use it need it loaded.
LATE = {"resources": {"numpy", "scipy"}, "search": {"numpy", "scipy", "sklearn"}}

#: what holds rooms and is none
PACKAGES = ("nadv2_tf", "nadv2_tf.pipeline", "nadv2_tf.benchmarks")
LONGEST_FILE = 300
BARE_NAMES = ("flags", "export", "benchmarks")  # importable only as nadv2_tf.flags and so on


def source_files():
  """{module name: path} of every Python file of the package."""
  files = {}
  for folder, package in FOLDERS.items():
    for path in sorted((ROOT / folder).rglob("*.py")):
      parts = path.relative_to(ROOT / folder).with_suffix("").parts
      files[".".join((package, *parts)).removesuffix(".__init__")] = path
  return files


SOURCES = source_files()


def room_of(module):
  """The room of a module, "" for a package that holds rooms: nadv2_tf.search.mcd is in search."""
  name = module.partition(".")[2]
  return next((room for room in HEIGHT if f"{name}.".startswith(f"{room}.")), "")


def imports_of(source, module, is_package=False):
  """The full names of all that a module imports, at its top or inside a function."""
  package = module.split(".") if is_package else module.split(".")[:-1]
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      above = package[: len(package) - node.level + 1] if node.level else []
      base = ".".join([*above, *([node.module] if node.module else [])])
      if base in PACKAGES:  # from nadv2_tf import search
        yield from (f"{base}.{alias.name}" for alias in node.names)
      else:
        yield base


def faults_of(source, module, is_package=False):
  """What a module imports and may not, as sentences."""
  room = room_of(module)
  for name in imports_of(source, module, is_package):
    top = name.split(".")[0]
    if name in PACKAGES:
      yield f"{module} imports the whole package; name the room."
    elif top == "nadv2_tf":
      other = room_of(name)
      if room and other != room and HEIGHT.get(other, -1) >= HEIGHT[room]:
        yield f"{module} imports {name}, which is not below it."
    elif top in BARE_NAMES:
      yield f"{module} imports {name} by its bare name."
    elif room in OUTSIDE:
      allowed = OUTSIDE[room] | LATE.get(room, set())
      if top not in sys.stdlib_module_names | allowed:
        yield f"{module} imports {name}; {room} may only use {sorted(allowed)}."


def test_the_picture_in_the_documents_is_this_house():
  text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
  picture = text.split("```text\n")[1].split("```")[0]
  # What a floor is for stands behind four blanks or more.
  floors = [re.split(r" {4,}", line)[0].split() for line in picture.splitlines()]
  assert [set(floor) for floor in reversed(floors)] == [set(floor) for floor in FLOORS]


def test_every_room_stands_on_a_floor():
  assert {room_of(module) for module in SOURCES} - {""} == set(HEIGHT)
  # What holds rooms has nothing of its own.
  assert [name for name in SOURCES if not room_of(name)] == list(PACKAGES)


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_lead_down(module):
  path = SOURCES[module]
  source = path.read_text(encoding="utf-8")
  assert list(faults_of(source, module, path.name == "__init__.py")) == []


def needs_of(module):
  """The modules of the package that one needs to run: those it imports, at its top or later."""
  tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
  typing_only = {
    id(inner)
    for node in ast.walk(tree)
    if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    for part in node.body
    for inner in ast.walk(part)
  }
  for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom) and id(node) not in typing_only:
      names = (f"{node.module}.{alias.name}" for alias in node.names)
      yield from (name if name in SOURCES else node.module for name in names)


def circle_in(needs):
  """Names that need each other in a circle, of {name: names that it needs}; () without one."""
  done, path = set(), []

  def visit(name):
    if name in path:
      return tuple(path[path.index(name) :])
    if name in done or name not in needs:
      return ()
    path.append(name)
    for other in sorted(needs[name]):
      if found := visit(other):
        return found
    done.add(path.pop())
    return ()

  return next(filter(None, map(visit, sorted(needs))), ())


def test_no_modules_need_each_other():
  assert circle_in({name: set(needs_of(name)) - {name} for name in SOURCES}) == ()
  assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ("b", "d")


@pytest.mark.parametrize(
  ("module", "line", "is_fault"),
  [
    ("nadv2_tf.spec.blocks", "from nadv2_tf.spec import checks", False),
    ("nadv2_tf.spec.blocks", "from nadv2_tf.search import mcd", True),
    ("nadv2_tf.spec.blocks", "from nadv2_tf import backbones", True),
    ("nadv2_tf.spec.blocks", "import nadv2_tf", True),
    ("nadv2_tf.spec.blocks", "import nadv2_tf.models.slicing", True),
    ("nadv2_tf.spec.blocks", "from ..models import slicing", True),
    ("nadv2_tf.spec.blocks", "from . import checks", False),
    ("nadv2_tf.spec.blocks", "def f():\n  import numpy", True),
    ("nadv2_tf.spec.blocks", "import dataclasses, os.path", False),
    ("nadv2_tf.search.mcd", "from nadv2_tf.resources import MacsMeter", True),
    ("nadv2_tf.search.mcd", "from nadv2_tf.spec import NetworkSpec", False),
    ("nadv2_tf.search.gains", "def f():\n  from sklearn.svm import SVR", False),
    ("nadv2_tf.search.mcd", "import keras", True),
    ("nadv2_tf.backbones.demo", "import keras", True),
    ("nadv2_tf.backbones.demo", "import scipy", True),
    ("nadv2_tf.layers.superkernel", "from keras import ops", False),
    ("nadv2_tf.layers.superkernel", "import tensorflow as tf", True),
    ("nadv2_tf.models.slicing", "from tensorflow import nn", True),
    ("nadv2_tf.models.slicing", "from nadv2_tf.training import loop", True),
    ("nadv2_tf.training.loop", "import tensorflow as tf", False),
    ("nadv2_tf.pipeline.run", "from nadv2_tf.flags import define", True),
    ("nadv2_tf.pipeline.run", "from nadv2_tf.pipeline.stages import search", False),
    ("nadv2_tf.pipeline.aim.metric", "from nadv2_tf.pipeline.stages import search", True),
    ("nadv2_tf.pipeline.report.page", "from nadv2_tf.pipeline.stages import search", True),
    ("nadv2_tf.pipeline.run_folder.folder", "from nadv2_tf.pipeline import run", True),
    ("nadv2_tf.programs.run", "from absl import flags", False),
    ("nadv2_tf.programs.run", "import flags", True),
    ("nadv2_tf.programs.run", "from export.tflite import to_tflite", True),
    ("nadv2_tf.programs.run", "from nadv2_tf import flags, training", False),
    ("nadv2_tf.export.tflite", "from nadv2_tf.benchmarks import timing", True),
    ("nadv2_tf.benchmarks.tables.pieces", "from nadv2_tf.export import tflite", False),
  ],
)
def test_the_rules_find_faults(module, line, is_fault):
  assert bool(list(faults_of(line, module))) == is_fault


def test_below_keras_nothing_heavy_is_loaded():
  # The table above reads the text; this looks at what really loads.
  rooms = [room for room in OUTSIDE if not OUTSIDE[room]]
  modules = [module for module in SOURCES if room_of(module) in rooms]
  check = (
    f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
    "print(*sorted({name.split('.')[0] for name in sys.modules}))"
  )
  done = subprocess.run(
    [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  heavy = {"absl", "jax", "keras", "matplotlib", "numpy", "tensorflow", "tf_keras", "torch"}
  heavy |= set().union(*LATE.values())
  assert heavy.isdisjoint(done.stdout.split())
  assert "nadv2_tf" in done.stdout.split()


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_files_are_short(module):
  lines = SOURCES[module].read_text(encoding="utf-8").count("\n")
  assert lines <= LONGEST_FILE, f"{SOURCES[module]} has {lines} lines; look for the seam."


def test_helpers_live_where_their_words_are_used():
  drawers = {"utils", "util", "helpers", "misc", "common"}
  assert [name for name in SOURCES if drawers.intersection(name.split("."))] == []


@pytest.mark.parametrize("room", ["search", "training", "export", "pipeline", "programs"])
def test_only_tasks_know_what_the_outputs_are(room):
  """What a network's outputs mean is said by its `Task`; no stage names one."""
  word = re.compile(r"(?<!tochastic )\bdepth(?!wise)|\bDepth(?!wise)")
  texts = {name: path.read_text(encoding="utf-8") for name, path in SOURCES.items()}
  assert any(word.search(text) for name, text in texts.items() if room_of(name) == "tasks")
  house = [name for name in texts if f"{room_of(name)}.".startswith(f"{room}.")]
  assert house and [name for name in house if word.search(texts[name])] == []
