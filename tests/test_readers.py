"""Whatever bytes a file has: every reader gives a value or one clear error, and runs no code.

Each reader is fed damaged forms of a file that it reads: bytes changed, cut off, numbers and words
exchanged, parts of archives changed under a right checksum.
"""

import signal

import pytest
from file_readers import READERS
from hypothesis import HealthCheck, given, settings

from nadv2_tf.benchmarks.studies.damage import damaged
from nadv2_tf.benchmarks.timing.errors import TimingError

#: seconds for all examples of one reader; far more than they take
LONGEST = 300


@pytest.fixture
def no_hang():
  def too_long(*unused):
    raise AssertionError(f"a reader took more than {LONGEST} seconds")

  before = signal.signal(signal.SIGALRM, too_long)
  signal.alarm(LONGEST)
  yield
  signal.alarm(0)
  signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", sorted(READERS))
def test_any_bytes_give_a_value_or_a_clear_error(tmp_path, no_hang, name):
  make, read, examples = READERS[name]
  sample, path = make(tmp_path), tmp_path / "here" / name
  path.parent.mkdir()
  path.write_bytes(sample)
  read(path)  # undamaged, it is read

  @settings(
    max_examples=examples,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
  )
  @given(damaged(sample))
  def check(content):
    path.write_bytes(content)
    try:
      read(path)
    except (ValueError, OSError, TimingError) as error:
      assert str(error).strip()

  check()
