"""What the wall and CPU times of runs tell: by hand, and on threads that really work or wait."""

import threading
import time

import pytest

from nadv2_tf.benchmarks.timing import litert_worker, undisturbed


@pytest.mark.parametrize(
  ("wall", "cpu", "threads", "expected"),
  [
    (1.0, 1.0, 1, False),
    (1.0, 1.001, 1, False),  # the CPU clock is read outside the other one
    (1.0, 0.985, 1, False),  # 2 % are allowed
    (1.0, 0.97, 1, True),
    (1.0, 1.97, 2, False),
    (1.0, 1.5, 2, True),  # one of two threads waited for half of the run
    (1e-5, 6e-6, 1, False),  # 5 microseconds are as much as clocks and interrupts take
    (1e-5, 4e-6, 1, True),
  ],
)
def test_waiting_for_a_processor_is_a_disturbance(wall, cpu, threads, expected):
  assert undisturbed.is_disturbed((wall, cpu), threads) is expected


def test_the_latency_is_the_tenth_percentile_of_the_undisturbed_runs():
  # Undisturbed: 0.1000, 0.1005, ... 0.1095 s, of which two of twenty are smaller than 0.101.
  quiet = [(0.10 + 0.0005 * index, 0.10 + 0.0005 * index) for index in range(20)]
  waited = [(0.05, 0.02)] + [(3.0, 0.1)] * 9
  found = undisturbed.summary(waited + quiet, threads=1)
  assert found["value_ms"] == pytest.approx(101)
  assert found["disturbed"] == pytest.approx(10 / 30) and found["runs"] == 30
  # Of all 30 sorted: 0.05, then the twenty, then nine of 3.0; the 15th and 16th are 0.1065, 0.107.
  assert found["median_ms"] == pytest.approx(106.75) and found["p95_ms"] == 3000
  assert found["smallest_ms"] == 50 and found["doubt"] == ""
  assert found["statistic"] == "undisturbed"


def test_undisturbed_runs_far_apart_are_no_latency():
  """Memory that others use as well slows runs that keep their processor."""
  for slow, doubt in (
    (0.105, ""),
    (0.127, "the median of the undisturbed runs lies 27% above their tenth percentile"),
  ):
    runs = [(0.1, 0.1)] * 8 + [(slow, slow)] * 12
    found = undisturbed.summary(runs, threads=1)
    assert found["value_ms"] == pytest.approx(100) and found["doubt"] == doubt
    assert found["statistic"] == "undisturbed" and found["disturbed"] == 0


def test_few_undisturbed_runs_are_no_latency():
  runs = [(0.3, 0.1 + 0.01 * index) for index in range(10)] + [(0.1, 0.1)] * 9
  found = undisturbed.summary(runs, threads=1)
  assert found["doubt"] == "only 9 of 19 runs were undisturbed"
  assert undisturbed.summary(runs, threads=1, fewest=9)["doubt"] == ""
  # Where one thread was always disturbed, what it worked is the best guess; it stays a guess.
  found = undisturbed.summary(runs[:10], threads=1, fewest=9)
  assert found["value_ms"] == pytest.approx(110) and found["doubt"]
  assert found["statistic"] == "CPU time"
  # Two threads never both had a processor.
  found = undisturbed.summary([(0.3, 0.3), (0.2, 0.2), (0.4, 0.3)], threads=2)
  assert found["value_ms"] == 200 and found["doubt"] == "only 0 of 3 runs were undisturbed"
  assert found["statistic"] == "smallest"


def test_one_quiet_run_among_many_is_no_latency():
  """Whatever was asked for; of few runs all must be undisturbed."""
  many = [(0.001, 0.001)] + [(0.002, 0.001)] * 499
  found = undisturbed.summary(many, threads=2)
  assert found["doubt"] == "only 0 of 500 runs were undisturbed"
  found = undisturbed.summary(many, threads=1)
  assert found["doubt"] == "only 1 of 500 runs were undisturbed"
  for runs, doubt in ((many[:1], ""), (many[:3], "only 1 of 3 runs were undisturbed")):
    assert undisturbed.summary(runs, threads=1)["doubt"] == doubt


def spin(seconds):
  end = time.thread_time() + seconds
  while time.thread_time() < end:
    pass


def test_the_clocks_of_the_threads_that_work_are_found():
  """A thread beside that works for 50 ms; another that waits all the time."""
  working = undisturbed.WorkingThreads(2)
  begin, worked, stop = threading.Event(), threading.Event(), threading.Event()

  def work():
    spin(0.02)
    worked.set()
    begin.wait()
    spin(0.05)
    worked.set()
    stop.wait()

  threads = [threading.Thread(target=work), threading.Thread(target=stop.wait)]
  for thread in threads:
    thread.start()
  worked.wait()
  cpu_time = working.found()
  worked.clear()
  before = cpu_time()
  begin.set()
  worked.wait()
  spent = cpu_time() - before
  stop.set()
  for thread in threads:
    thread.join()
  # Not more than it worked, and a wait that took none of it.
  assert 0.05 <= spent < 0.1


def test_where_the_system_tells_no_threads_the_process_is_asked(monkeypatch, tmp_path):
  monkeypatch.setattr(undisturbed, "TASKS", tmp_path / "none")
  assert undisturbed.WorkingThreads(1).found() is time.process_time


class Machine:
  """A processor whose runs take 1 ms, and which others take away for a while: `waits` has for each
  run the milliseconds of waiting, 0 when it is over."""

  def __init__(self, waits=()):
    self._waits, self.wall, self.cpu, self.runs = list(waits), 0.0, 0.0, 0

  def invoke(self):
    wait = self._waits.pop(0) if self._waits else 0
    self.runs += 1
    self.wall += 1e-3 * (1 + wait)
    self.cpu += 1e-3


@pytest.fixture
def repeat_on(monkeypatch):
  """Function (machine, runs, seconds, patience) -> what the worker says of one repeat on it."""

  def repeat(machine, runs, seconds=0.0, patience=litert_worker.PATIENCE):
    monkeypatch.setattr(litert_worker.time, "perf_counter", lambda: machine.wall)
    monkeypatch.setattr(undisturbed.WorkingThreads, "found", lambda self: lambda: machine.cpu)
    flags = {"threads": 1, "warmup_runs": 0, "warmup_seconds": 0.0, "patience": patience}
    flags |= {"runs": runs, "seconds": seconds}
    return litert_worker.time_repeat(machine.invoke, litert_worker.argparse.Namespace(**flags))

  return repeat


def test_a_machine_that_is_taken_away_now_and_then_does_not_change_the_latency(repeat_on):
  quiet, busy = repeat_on(Machine(), 50), repeat_on(Machine([0, 9, 0, 0, 4] * 10), 50)
  assert quiet["value_ms"] == pytest.approx(1) and quiet["disturbed"] == 0
  assert busy["value_ms"] == pytest.approx(1) and busy["doubt"] == ""
  assert busy["disturbed"] == pytest.approx(0.4) and busy["p95_ms"] == pytest.approx(10)


def test_a_repeat_goes_on_until_enough_runs_were_undisturbed(repeat_on):
  # 48 runs are disturbed, 2 are not; the next 8 make ten.
  machine = Machine([1] * 48)
  found = repeat_on(machine, 50)
  assert machine.runs == 58 and found["value_ms"] == pytest.approx(1) and found["doubt"] == ""
  assert found["median_ms"] == pytest.approx(2)


@pytest.mark.parametrize("runs", [1, 50])
def test_one_quiet_run_does_not_end_a_repeat(repeat_on, runs):
  # 0.1 s of runs that take 2 ms: 50, of which one is undisturbed; the next 9 make ten.
  machine = Machine([1] * 20 + [0] + [1] * 29)
  found = repeat_on(machine, runs, seconds=0.1)
  assert machine.runs == pytest.approx(59, abs=1) and found["doubt"] == ""
  machine = Machine([1] * 20 + [0] + [1] * 999)
  found = repeat_on(machine, runs, seconds=0.1, patience=0)
  assert found["runs"] == machine.runs == pytest.approx(50, abs=1)
  assert found["doubt"] == f"only 1 of {machine.runs} runs were undisturbed"


def test_and_gives_up_in_time(repeat_on):
  # 50 runs take 100 ms, and five times as long is the limit: 250 runs, in steps of ten.
  machine = Machine([1] * 1000)
  found = repeat_on(machine, 50)
  assert machine.runs == pytest.approx(250, abs=10)
  assert found["doubt"] == f"only 0 of {machine.runs} runs were undisturbed"
  assert found["value_ms"] == pytest.approx(1)  # what it worked; marked
