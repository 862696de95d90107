"""docs/scale.md holds what the code gives."""

import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "scale.md"


def test_the_tables_are_those_of_the_code():
  done = subprocess.run(
    [sys.executable, "-m", "nadv2_tf.benchmarks.studies.scale"],
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
  page = PAGE.read_text(encoding="utf-8")
  assert len(rows) == 2 * 5
  # The tables stand there whole, the rows of each in their order.
  assert "\n".join(rows[:5]) in page and "\n".join(rows[5:]) in page
