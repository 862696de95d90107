"""What the documents tell the reader to type: Python runs, commands and their flags exist."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOWTO_BLOCKS = [
  pytest.param(block, id=f"{page.stem}-{number}")
  for page in sorted((ROOT / "docs" / "howto").glob("*.md"))
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
    missing = set(flags) - known - {"flagfile"} if name == program else set()
    assert not missing, f"{page}: nadv2-{name} has no --{', --'.join(sorted(missing))}"
