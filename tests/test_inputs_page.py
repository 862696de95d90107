"""docs/reference/inputs.md: every line of its tables names tests, and they are there."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "inputs.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def _lines():
  """The lines of all tables below their headers."""
  rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
  return [row for row in rows if not re.match(r"\|(---|\s*what\s*\|)", row)]


def _tests_in(path):
  """Names of a file's test functions."""
  nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
  return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_every_line_of_the_page_names_tests_that_are_there():
  assert len(_lines()) > 20
  for line in _lines():
    what, is_what, tests = (cell.strip() for cell in line.strip("|").split(" | "))
    named = NAMED.findall(tests)
    assert what and named, line
    assert re.match("(read|refused|told|left out)", is_what), line
    for file, name in named:
      assert name in _tests_in(ROOT / file), f"{file} has no {name}"
