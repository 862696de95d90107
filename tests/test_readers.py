"""Whatever bytes a file has: every reader gives a value or one clear error, and runs no code.

Each reader is fed damaged forms of a file that it reads: bytes changed, cut off, numbers and words
exchanged, parts of archives changed under a right checksum.
"""

import io
import re
import signal
import zipfile

import pytest
from file_readers import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nadv2_tf.benchmarks.timing.errors import TimingError

#: seconds for all examples of one reader; far more than they take
LONGEST = 300
WORDS = [
  b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"1.5", b"null", b"true", b"[]", b"{}", b'""', b'"x"',
  b"\n", b"[" * 2000, b",", b"\xff", b"\0", b"inf",
]  # fmt: skip
WORD = re.compile(rb'"[^"]*"|[\w.+-]+|\W')


@st.composite
def damaged(draw, content):
  """A damaged form of `content`."""
  way = draw(st.sampled_from(["bytes", "words", "cut", "other"]))
  if way == "other":
    return draw(st.binary(max_size=100))
  if way == "cut":
    return content[: draw(st.integers(0, len(content)))]
  if way == "words" and zipfile.is_zipfile(io.BytesIO(content)):
    return _with_damaged_part(draw, content)
  if way == "words":
    words = WORD.findall(content) or [b""]
    for _ in range(draw(st.integers(1, 3))):
      words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
    return b"".join(words)
  changed = bytearray(content)
  for _ in range(draw(st.integers(1, 4)) if changed else 0):
    changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
  return bytes(changed)


def _with_damaged_part(draw, content):
  """An archive with one part changed, and the checksum that fits it."""
  changed = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
    chosen = draw(st.sampled_from(old.namelist()))
    for name in old.namelist():
      part = old.read(name)
      new.writestr(name, draw(damaged(part)) if name == chosen else part)
  return changed.getvalue()


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
