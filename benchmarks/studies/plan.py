"""How far `nadv2-run --plan` is from what the run then takes, stage by stage.

  python -m nadv2_tf.benchmarks.studies.plan --flagfile=flags/presets/demo.flags --output=FOLDER

All flags are nadv2-run's. The plan runs in a process of its own, and then the run in another, which
must be a new one: what is finished takes no time. Start it on an idle machine.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.run_folder.folder import RunFolder

if TYPE_CHECKING:
  from collections.abc import Iterable, Mapping, Sequence

#: a stage over so many seconds must be planned within so much of what it takes
LONG, WITHIN = 20.0, 0.25
ROW = re.compile(r"^(\w+(?: \w+)?) {2,}([\d.,]+) (s|min|h)(?: |$)")
UNITS = {"s": 1, "min": 60, "h": 3600}


def planned(text: str) -> dict[str, float]:
  """{stage: seconds} of a printed plan."""
  rows = filter(None, map(ROW.match, text.splitlines()))
  return {row[1]: float(row[2].replace(",", "")) * UNITS[row[3]] for row in rows}


def taken(stages: Mapping[str, Mapping[str, Sequence[float]]], confirm: float) -> dict[str, float]:
  """{stage: seconds} of stages.json, with what the search spent on confirming by itself."""
  found = {name: sum(seconds for seconds, _ in parts.values()) for name, parts in stages.items()}
  if confirm:
    found |= {"confirm": confirm, "search": found["search"] - confirm}
  found["all"] = sum(found.values())
  return found


def table(plan: Mapping[str, float], run: Mapping[str, float]) -> list[str]:
  """Lines: planned and taken seconds of every stage, and their ratio."""
  lines = [f"{'':18s}{'planned':>10s}{'taken':>10s}{'planned/taken':>15s}"]
  for name in [name for name in run if name != "all"] + ["all"]:
    before, after = plan.get(name, 0.0), run[name]
    line = f"{name:18s}{before:10.1f}{after:10.1f}"
    if after >= LONG:
      ratio = before / after
      line += f"{ratio:15.2f}  {'' if abs(ratio - 1) <= WITHIN else 'OFF'}"
    lines.append(line.rstrip())
  return lines


def command(arguments: Iterable[str], *more: str) -> str:
  """What nadv2-run prints in a process of its own; raises RuntimeError if it fails."""
  words = [sys.executable, "-m", "nadv2_tf.programs.run", *arguments, *more]
  done = subprocess.run(words, capture_output=True, text=True, check=False)
  if done.returncode:
    raise RuntimeError(f"nadv2-run exits with {done.returncode}: {done.stderr[-1000:]}")
  return done.stdout


def main(arguments: Sequence[str]) -> None:
  outputs = [value.partition("=")[2] for value in arguments if value.startswith("--output=")]
  if len(outputs) != 1 or pathlib.Path(outputs[0]).exists():
    sys.exit("error: give nadv2-run's flags, and with --output=FOLDER a folder that is new.")
  text = command(arguments, "--plan")
  command(arguments)
  folder = RunFolder(outputs[0])
  print(text)
  confirm = folder.metrics().seconds.get("confirm", 0.0)
  print("\n".join(table(planned(text), taken(folder.read_stages(), confirm))))


if __name__ == "__main__":
  main(sys.argv[1:])
