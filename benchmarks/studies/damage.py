"""Damaged forms of a file's content, as hypothesis draws them; needs the extra `test`."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

from hypothesis import strategies as st

WORDS = [
  b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"1.5", b"null", b"true", b"[]", b"{}", b'""', b'"x"',
  b"\n", b"[" * 2000, b",", b"\xff", b"\0", b"inf",
]  # fmt: skip
WORD = re.compile(rb'"[^"]*"|[\w.+-]+|\W')


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
  """A form of `content` with bytes or words changed, cut off, or something else altogether."""
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


def _with_damaged_part(draw: Any, content: bytes) -> bytes:
  """An archive with one part changed, and the checksum that fits it."""
  changed = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
    chosen = draw(st.sampled_from(old.namelist()))
    for name in old.namelist():
      part = old.read(name)
      new.writestr(name, draw(damaged(part)) if name == chosen else part)
  return changed.getvalue()
