"""The study of timing beside other programs: its estimators, its cells, and going on."""

import dataclasses
import json
import subprocess
import sys

import pytest

from nadv2_tf.benchmarks.studies import busy
from nadv2_tf.benchmarks.studies.competitors import COMPETITORS


def test_the_estimators_on_runs_by_hand():
  # 20 runs of 10 to 11.9 ms; the second half waited, and so took 100 ms more.
  runs = [(0.010 + 1e-4 * n + 0.1 * (n >= 10), 0.010 + 1e-4 * n) for n in range(20)]
  found = {name: estimate(runs, 1) for name, estimate in busy.ESTIMATORS.items()}
  assert found["median"] == pytest.approx((0.0109 + 0.111) / 2)
  assert found["smallest"] == pytest.approx(0.010)
  assert found["10th percentile"] == pytest.approx(0.0102)  # two of twenty are smaller
  assert found["undisturbed"] == pytest.approx(0.0101)  # one of ten is smaller
  assert busy.ESTIMATORS["undisturbed"](runs[5:], 1) is None


def test_every_kind_is_measured_beside_every_number():
  keys = busy.keys()
  assert len(keys) == len(set(keys)) == 2 * (1 + 4 * len(COMPETITORS))
  assert set(busy.keys(*busy.QUICK_CELLS)) <= set(keys)
  few = busy.keys([2], [4])
  assert few == [("none", 0, 2), *((kind, 4, 2) for kind in COMPETITORS)]


def cell(kind, idle, beside):
  names = busy.FIGURES
  return busy.Cell(
    kind, 2, 1, dict.fromkeys(names, idle), dict.fromkeys(names, beside), (0.5, 0.1), 1.0
  )


def test_the_file_that_is_furthest_off_stands_in_the_table():
  text = busy.table([cell("copies", (1.0, 2.0), (1.1, 1.6)), cell("none", (1.0,), (None,))])
  header, copies, none = text.splitlines()
  some = busy.table([cell("copies", (1.0, 2.0, None), (1.1, None, 3.0))]).splitlines()[-1]
  assert some.count("+10.0% of 1") == 5
  assert copies.split() == ["1,", "2", "copies", *["-20.0%"] * 5, "50.0%"]
  assert none.count("cannot tell") == 5 and header.split()[-4] == "nadv2-time"


def test_a_study_goes_on(monkeypatch, tmp_path):
  path, asked = tmp_path / "busy.jsonl", []
  wanted = busy.keys(*busy.QUICK_CELLS)

  def cell_of(key, files, seconds, rounds):
    asked.append(key)
    if len(asked) == 2:
      raise KeyboardInterrupt
    return busy.Cell(
      *key, **{"idle": figures, "busy": figures, "disturbed": (0.25,), "seconds": seconds}
    )

  figures = dict.fromkeys(busy.FIGURES, (1.0,))
  monkeypatch.setattr(busy, "cell_of", cell_of)
  with pytest.raises(KeyboardInterrupt):
    busy.study(path, ["net.tflite"], 1.0, 5, wanted)
  with path.open("a") as file:
    file.write('{"torn": ')
  text = busy.study(path, ["net.tflite"], 1.0, 5, wanted)
  # The one that was done is not run again.
  assert asked == [wanted[0], *wanted[1:2], *wanted[1:]]
  assert len(text.splitlines()) == 3 + len(wanted)
  # A study of longer rounds has cells of its own.
  busy.study(path, ["net.tflite"], 2.0, 5, wanted)
  assert asked[-len(wanted) :] == wanted and len(busy.read(path)) == 2 * len(wanted)


def test_cells_with_other_figures_are_measured_again(tmp_path):
  path = tmp_path / "busy.jsonl"
  known = dataclasses.asdict(cell("copies", (1.0,), (1.1,)))
  older = known | {"idle": {"median": [1.0]}, "busy": {"median": [1.1]}}
  path.write_text("".join(json.dumps(one) + "\n" for one in (known, older)))
  assert len(busy.read(path)) == 1


@pytest.mark.parametrize("kind", ["matrices", "copies"])
def test_competitors_work_until_the_block_ends(kind):
  started = []
  popen = subprocess.Popen
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(
      busy.subprocess,
      "Popen",
      lambda *given, **named: started.append(popen(*given, **named)) or started[-1],
    )
    with busy.competing(kind, 2):
      assert [process.poll() for process in started] == [None, None]
  assert all(process.poll() is not None for process in started)


def test_a_competitor_whose_parent_ended_early_ends_too():
  command = [sys.executable, "-m", "nadv2_tf.benchmarks.studies.competitors", "matrices"]
  ended = subprocess.Popen([sys.executable, "-c", ""])
  ended.wait()
  done = subprocess.run([*command, str(ended.pid)], capture_output=True, timeout=60, check=True)
  assert done.stdout == b"working\n"


def test_a_cell_is_measured_for_real(tmp_path, tiny_space):
  from nadv2_tf.benchmarks.tables.networks import network_file

  path = tmp_path / "tiny.tflite"
  path.write_bytes(network_file(tiny_space.largest()))
  figures, (share,) = busy.measured(1, [str(path)], 0.01, 2)
  assert set(figures) == set(busy.FIGURES) and 0 <= share <= 1
  assert 0 < figures["smallest"][0] <= figures["10th percentile"][0] <= figures["median"][0]
