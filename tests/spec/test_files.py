"""Names out of the file system, which are bytes and need not be UTF-8."""

import os

from nadv2_tf.spec.files import as_text, is_utf_8


def test_names_are_text_that_can_be_written():
  assert as_text("Äpfel") == "Äpfel"
  # As Python has them where the locale is not UTF-8.
  assert as_text("S\udcc3\udcbc\udcc3\udc9fe") == "Süße"
  # As an archive from another system has them: ü of ISO 8859-1.
  foreign = os.fsdecode(b"K\xfcrbis")
  assert as_text(foreign) == "K\ufffdrbis"
  assert is_utf_8("Süße") and not is_utf_8("S\udcc3\udcbcsse")
