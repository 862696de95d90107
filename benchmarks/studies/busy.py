"""Which number of a file's runs stays the same beside other programs: the estimators compared.

  python -m nadv2_tf.benchmarks.studies.busy --output=busy.jsonl
  python -m nadv2_tf.benchmarks.studies.busy --output=busy.jsonl --quick
  python -m nadv2_tf.benchmarks.studies.busy --output=busy.jsonl --threads=2 --competitors=2,4,8

A cell is a number of threads and so many competitors of a kind. Its files are run one by one for
some seconds, first with nothing beside them and then beside the competitors, so that what the
machine itself does between two cells is left out; each cell is a line of --output, and those that
are there are not run again. The table has, for each cell and estimator, how far the busy figure
lies from the idle one: of the file that lies furthest. The last column is what nadv2-time tells,
with its repeats and marks. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from absl import app, flags

from nadv2_tf.benchmarks.studies.competitors import COMPETITORS
from nadv2_tf.benchmarks.timing import litert_worker, undisturbed
from nadv2_tf.benchmarks.timing.devices.host import processor_name

if TYPE_CHECKING:
  from collections.abc import Callable, Iterator, Mapping, Sequence
  from typing import Any

  from nadv2_tf.benchmarks.timing.undisturbed import Run

MODULE = "nadv2_tf.benchmarks.studies.busy"
#: seconds and rounds of --quick
QUICKLY = (0.2, 1)
#: threads and numbers of competitors of --quick
QUICK_CELLS = ((1,), (2,))
#: shares of the widths of the demo's networks
SHARES = (1.0, 0.7, 0.45)


def _all_runs(runs: Sequence[Run], threads: int) -> list[float]:
  return sorted(wall for wall, _ in runs)


#: name -> function (runs, threads) -> seconds; None where it cannot tell
ESTIMATORS: Mapping[str, Callable[[Sequence[Run], int], float | None]] = {
  "median": lambda runs, threads: statistics.median(_all_runs(runs, threads)),
  "smallest": lambda runs, threads: _all_runs(runs, threads)[0],
  "10th percentile": lambda runs, threads: undisturbed.quantile(_all_runs(runs, threads), 0.1),
  "undisturbed": lambda runs, threads: _undisturbed(runs, threads),
}


#: what nadv2-time tells; its own repeats, again where something disturbed them
WHOLE = "nadv2-time"
FIGURES = (*ESTIMATORS, WHOLE)


def _undisturbed(runs: Sequence[Run], threads: int) -> float | None:
  """As the host runner has it; None where it would be marked."""
  found = undisturbed.summary(runs, threads, undisturbed.FEWEST)
  return None if found["doubt"] else float(found["value_ms"]) / 1e3


@dataclasses.dataclass(frozen=True)
class Cell:
  """What was measured beside so many competitors of a kind.

  Attributes:
    idle, busy: {one of FIGURES: milliseconds of each file, None where it cannot tell}.
    disturbed: share of the busy runs that were, of each file.
    seconds: of single runs of a file in a round; a quick study's cells are none of a longer one.
  """

  kind: str
  competitors: int
  threads: int
  idle: Mapping[str, tuple[float | None, ...]]
  busy: Mapping[str, tuple[float | None, ...]]
  disturbed: tuple[float, ...]
  seconds: float

  @property
  def key(self) -> tuple[str, int, int]:
    return self.kind, self.competitors, self.threads

  def deviation_text(self, figure: str) -> str:
    """busy / idle - 1 of the file that is furthest off, and of how many if not all are told."""
    pairs = list(zip(self.busy[figure], self.idle[figure], strict=True))
    ratios = [busy / idle - 1 for busy, idle in pairs if busy is not None and idle is not None]
    if not ratios:
      return "cannot tell"
    of = "" if len(ratios) == len(pairs) else f" of {len(ratios)}"
    return f"{max(ratios, key=abs):+.1%}{of}"


def keys(
  threads: Sequence[int] = (1, 2), numbers: Sequence[int] = (1, 2, 4, 8)
) -> list[tuple[str, int, int]]:
  """(kind, competitors, threads) of all cells; 0 of a kind is the idle machine twice."""
  return [
    (kind, number, count)
    for count in threads
    for kind, number in [("none", 0), *((kind, n) for kind in COMPETITORS for n in numbers)]
  ]


def main(_: Any) -> None:
  values = flags.FLAGS
  if values.child:
    threads, *files = json.loads(values.child)
    print(json.dumps(measured(threads, files, values.seconds, values.rounds)))
    return
  if not values.output:
    raise app.UsageError("--output=FILE is needed: the cells are kept there.")
  seconds, rounds = QUICKLY if values.quick else (values.seconds, values.rounds)
  with tempfile.TemporaryDirectory() as folder:
    files = values.files or demo_files(pathlib.Path(folder))
    wanted = keys(*QUICK_CELLS) if values.quick else keys(*_numbers(values))
    print(study(pathlib.Path(values.output), files, seconds, rounds, wanted))


def _numbers(values: Any) -> tuple[list[int], list[int]]:
  """(--threads, --competitors).

  Raises:
    ValueError: if one is no positive number.
  """
  given = {name: getattr(values, name) for name in ("threads", "competitors")}
  for name, texts in given.items():
    if not texts or not all(text.isdecimal() and int(text) for text in texts):
      raise ValueError(f"--{name} must be positive numbers with commas, got {','.join(texts)!r}.")
  threads, competitors = ([int(text) for text in texts] for texts in given.values())
  return threads, competitors


def study(
  path: pathlib.Path,
  files: Sequence[str],
  seconds: float,
  rounds: int,
  wanted: Sequence[tuple[str, int, int]],
) -> str:
  """Measures those of `keys` that `path` lacks; the command, the machine and the table as text."""
  done = {cell.key for cell in read(path) if cell.seconds == seconds}
  for key in wanted:
    if key not in done:
      cell = cell_of(key, files, seconds, rounds)
      with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(cell)) + "\n")
  today = datetime.date.today()
  return "\n".join(
    [
      " ".join([f"$ python -m {MODULE}", *sys.argv[1:]]),
      f"{today}, {processor_name()}, {os.cpu_count()} cores, {len(files)} files",
      table([cell for cell in read(path) if cell.key in wanted and cell.seconds == seconds]),
    ]
  )


def read(path: pathlib.Path) -> list[Cell]:
  """The cells of a file, [] if there is none; a line that a kill has torn is cut off.

  Cells of a version with other figures are none of this one's.
  """
  if not path.exists():
    return []
  text = path.read_bytes()
  os.truncate(path, text.rfind(b"\n") + 1)
  cells = [Cell(**json.loads(line)) for line in path.read_bytes().splitlines()]
  return [cell for cell in cells if set(cell.idle) == set(FIGURES)]


def table(cells: Sequence[Cell]) -> str:
  """A line for each cell: how far each figure lies from the idle machine's.

  "+3.0% of 2" is of the two files that could be told, idle and beside the competitors.
  """
  width = max(map(len, FIGURES)) + 2
  header = "".join(name.rjust(width) for name in FIGURES)
  lines = [f"{'threads, competitors':28s}{header}  runs disturbed (most)"]
  for cell in cells:
    title = f"{cell.threads}, {cell.competitors} {cell.kind}"
    numbers = "".join(cell.deviation_text(name).rjust(width) for name in FIGURES)
    lines.append(f"{title:28s}{numbers}  {max(cell.disturbed):.1%}")
  return "\n".join(lines)


def demo_files(folder: pathlib.Path) -> list[str]:
  """The demo's networks of `SHARES` of its widths, as files in `folder`."""
  from nadv2_tf import backbones
  from nadv2_tf.benchmarks.tables.networks import network_file
  from nadv2_tf.search.uniform import uniformly_scaled

  space, paths = backbones.search_space("mobilenet_v3_demo"), []
  for share in SHARES:
    paths.append(folder / f"{share}.tflite")
    paths[-1].write_bytes(network_file(uniformly_scaled(space, share)))
  return list(map(str, paths))


def cell_of(key: tuple[str, int, int], files: Sequence[str], seconds: float, rounds: int) -> Cell:
  """Measures one cell: idle, then beside its competitors."""
  kind, number, threads = key
  idle, _ = _in_a_process(threads, files, seconds, rounds)
  with competing(kind, number):
    busy, disturbed = _in_a_process(threads, files, seconds, rounds)
  return Cell(kind, number, threads, idle, busy, disturbed, seconds)


@contextlib.contextmanager
def competing(kind: str, number: int) -> Iterator[None]:
  """So many processes of a kind work while the block runs."""
  command = [sys.executable, "-m", "nadv2_tf.benchmarks.studies.competitors", kind]
  command.append(str(os.getpid()))
  environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a competitor is one thread
  started: list[subprocess.Popen[bytes]] = []
  try:
    for _ in range(number):
      started.append(
        subprocess.Popen(
          command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
      )
    for process in started:
      if process.stdout is None or process.stdout.readline() != b"working\n":
        raise RuntimeError(f"A competitor did not start: {' '.join(command)}")
    yield
  finally:
    for process in started:
      process.kill()
      process.wait()


def _in_a_process(threads: int, files: Sequence[str], seconds: float, rounds: int) -> Any:
  command = [sys.executable, "-m", MODULE, f"--child={json.dumps([threads, *files])}"]
  command += [f"--seconds={seconds}", f"--rounds={rounds}"]
  done = subprocess.run(command, capture_output=True, text=True, check=True)
  return json.loads(done.stdout.splitlines()[-1])


def measured(
  threads: int, files: Sequence[str], seconds: float, rounds: int
) -> tuple[dict[str, list[float | None]], list[float]]:
  """({one of FIGURES: milliseconds of each file}, share of disturbed runs of each)."""
  from nadv2_tf.benchmarks.timing.devices import open_device
  from nadv2_tf.export.tflite import interpreter
  from nadv2_tf.options import TimingSettings

  taken: list[list[list[Run]]] = [[] for _ in files]
  made = [interpreter(file, threads) for file in files]
  for _ in range(rounds):
    for one, runs in zip(made, taken, strict=True):
      working = undisturbed.WorkingThreads(threads)
      litert_worker.time_runs(one.invoke, 10, seconds / 5)
      runs.append(litert_worker.time_runs(one.invoke, 20, seconds, working.found()))
  figures = {name: [_over_rounds(name, runs, threads) for runs in taken] for name in ESTIMATORS}
  with open_device("host") as device:
    told = device.time_files(files, TimingSettings(num_threads=threads))
  figures[WHOLE] = [timing.latency_ms if timing.steady else None for timing in told]
  shares = [
    statistics.mean(undisturbed.is_disturbed(run, threads) for part in runs for run in part)
    for runs in taken
  ]
  return figures, shares


def _over_rounds(name: str, rounds: Sequence[Sequence[Run]], threads: int) -> float | None:
  """Milliseconds: the median over the rounds."""
  values = [ESTIMATORS[name](runs, threads) for runs in rounds]
  known = [1e3 * value for value in values if value is not None]
  return statistics.median(known) if 2 * len(known) > len(values) else None


def define_flags() -> None:
  flags.DEFINE_string("output", None, "The cells, a line of JSON each.")
  flags.DEFINE_list(
    "files", [], "TFLite files; default: the demo's full network and two that are scaled uniformly."
  )
  flags.DEFINE_float("seconds", 1.0, "Of single runs of a file in a round.", lower_bound=0)
  flags.DEFINE_integer("rounds", 5, "Of all files of a cell, in turns.", lower_bound=1)
  flags.DEFINE_list("threads", ["1", "2"], "Of LiteRT.")
  flags.DEFINE_list("competitors", ["1", "2", "4", "8"], "How many of a kind at once.")
  flags.DEFINE_bool("quick", False, "One round of 0.2 s, one thread, 2 competitors.")
  flags.DEFINE_string("child", None, "Threads and files; the study starts it itself.")


if __name__ == "__main__":
  define_flags()
  app.run(main)
