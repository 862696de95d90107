"""What the documents tell the reader to type: Python runs, commands and their flags exist."""

import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOWTO_BLOCKS = [
  pytest.param(block, id=f"{page.stem}-{number}")
  for page in sorted((ROOT / "docs").rglob("*.md"))
  for number, block in enumerate(
    re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S), start=1
  )
]


def commands():
  """[(page, program, flags)] of every command line in the documents."""
  found = []
  for page in PAGES:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for program, arguments in re.findall(r"^\s{4,}nadv2-([a-z-]+)( .*)?$", text, re.M):
      found.append((page.name, program, tuple(re.findall(r"--(\w+)", arguments))))
  return found


def blocks_of_commands():
  """[(page, the text above an indented block, its command lines)] of docs/."""
  found = []
  for page in sorted((ROOT / "docs").rglob("*.md")):
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for match in re.finditer(r"(?:^ {4,}\S.*\n)+", text, re.M):
      lines = re.findall(r"^\s{4,}((?:nadv2-|python -m ).*)$", match[0], re.M)
      if lines:
        above = text[: match.start()].rstrip().rpartition("\n\n")[2]
        found.append((page.name, above, lines))
  return found


FREE = [
  pytest.param(line, id=f"{page}-{line[:40]}")
  for page, above, lines in blocks_of_commands()
  if "Needs:" not in above
  for line in lines
]


def test_most_commands_say_what_they_need():
  """Those that do not are run by the next test; both kinds are there."""
  assert len(blocks_of_commands()) >= 10 and 3 <= len(FREE) <= 10


@pytest.mark.parametrize("line", FREE)
def test_command_that_needs_nothing_runs(line, tmp_path):
  program, *arguments = shlex.split(line)
  module = f"nadv2_tf.programs.{program.removeprefix('nadv2-').replace('-', '_')}"
  done = subprocess.run(
    [sys.executable, "-P", "-m", module, *arguments],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  # absl ends with 1 after printing its help.
  assert done.returncode == (1 if "--help" in arguments else 0), done.stderr
  assert len(done.stdout) > 200 and "Traceback" not in done.stderr


def test_documents_have_commands_and_python():
  assert len(commands()) >= 6 and HOWTO_BLOCKS


@pytest.mark.parametrize("block", HOWTO_BLOCKS)
def test_python_of_a_howto_runs(block):
  done = subprocess.run(
    [sys.executable, "-c", block], cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", sorted({program for _, program, _ in commands()}))
def test_flags_of_documented_commands_exist(program):
  module = f"nadv2_tf.programs.{program.replace('-', '_')}"
  done = subprocess.run(
    [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
  )
  known = set(re.findall(r"--(?:\[no\])?(\w+):", done.stdout))
  assert known, done.stderr
  for page, name, flags in commands():
    missing = set(flags) - known - {"flagfile", "help"} if name == program else set()
    assert not missing, f"{page}: nadv2-{name} has no --{', --'.join(sorted(missing))}"


@pytest.mark.parametrize(
  "path", sorted((ROOT / "docs").rglob("*.ipynb")), ids=lambda path: path.stem
)
def test_a_notebook_runs(path, tmp_path):
  """Its code cells one after the other, in a process of their own; committed without outputs."""
  cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
  code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
  assert code and not any(cell.get("outputs") for cell in cells)
  program = tmp_path / "notebook.py"
  program.write_text("\n".join(code), encoding="utf-8")
  done = subprocess.run(
    [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr[-2000:]
