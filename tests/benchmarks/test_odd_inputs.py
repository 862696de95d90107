"""The study of damaged inputs: what it draws, and what it calls a fault."""

import io
import signal
import zipfile

import numpy as np
import pytest

from nadv2_tf.benchmarks.studies import odd_input_cases, odd_inputs
from nadv2_tf.benchmarks.studies.odd_input_faults import Result, fault_of

PHOTO = next(one for one in odd_input_cases.INPUTS if one.name == "photos_jpg/test/bee/3.jpg")
ARCHIVE = next(one for one in odd_input_cases.INPUTS if one.name == "data.npz")
EVALUATE = next(one for one in PHOTO.readers if one.command == "evaluate")
TRAIN = next(one for one in ARCHIVE.readers if one.command == "train")
RIGHT = Result(0, "top-1  100.00% of 12 images\n", "", frozenset())
FLAGS = frozenset(["data", "network", "holdout"])


def read(stdout):
  return Result(0, stdout, "", FLAGS)


def refused(stderr, status=1):
  return Result(status, "", stderr, FLAGS)


@pytest.mark.parametrize(
  ("got", "kind", "fault"),
  [
    (RIGHT, PHOTO, ""),
    (read("top-1  91.67% of 12 images\n"), PHOTO, ""),  # one of twelve
    (read("top-1  83.33% of 12 images\n"), PHOTO, "83.33% in the place of 100.00%"),
    (read("top-1  100.00% of 11 images\n"), PHOTO, "not all of 12 images"),
    (read("top-1  91.67% of 12 images\n"), ARCHIVE, "another result with exit status 0"),
    (refused("error: --data=folder:x: 3.jpg is damaged\n"), PHOTO, ""),
    (refused("error: --holdout must be 1\n"), PHOTO, ""),
    (refused("error: --epochs must be 1\n"), PHOTO, "names --epochs, which nadv2-evaluate lacks"),
    (refused("error: nadv2-export --epochs makes it\n"), PHOTO, ""),
    (refused("a warning\nerror: it is damaged\n"), PHOTO, "an error of 2 lines"),
    (refused(""), PHOTO, "exit status 1 without an error"),
    (refused("Traceback (most recent call last):\nTypeError: 3\n", 70), PHOTO, "TypeError: 3"),
    (refused("", -signal.SIGSEGV), PHOTO, "exit status -11"),
    (refused("", -signal.SIGALRM), PHOTO, "no end within 9 s"),
  ],
)
def test_what_is_a_fault(got, kind, fault):
  found = fault_of(got, RIGHT, kind, EVALUATE, "bits", 9)
  assert fault in found and bool(found) == bool(fault)


def test_a_training_is_not_held_against_another():
  assert fault_of(read("100 ms"), RIGHT, ARCHIVE, TRAIN, "bits", 9) == ""


def test_forms_are_damaged_and_another_seed_draws_others(tmp_path):
  np.savez(tmp_path / "a.npz", x=np.arange(4))
  content = (tmp_path / "a.npz").read_bytes()
  forms = odd_inputs.drawn(content, 40, "0 a")
  assert forms != odd_inputs.drawn(content, 40, "1 a")
  assert len(forms) > 20 and content not in forms
  # Among them archives with a part that was changed under a checksum that fits it.
  whole = [form for form in forms if zipfile.is_zipfile(io.BytesIO(form))]
  assert any(zipfile.ZipFile(io.BytesIO(form)).testzip() is None for form in whole)


def test_a_study_that_goes_on_has_the_forms_that_it_drew(tmp_path, monkeypatch):
  """Hypothesis draws others when other modules are loaded."""
  forms = [b"", b"some bytes", bytes(range(256))]
  for drawn in (forms, [b"others"]):
    monkeypatch.setattr(odd_inputs, "drawn", lambda *_, drawn=drawn: drawn)
    study = odd_inputs.Study(tmp_path, 0, 9)
    (tmp_path / "inputs" / PHOTO.name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "inputs" / PHOTO.name).write_bytes(b"whole")
    assert [study._form(PHOTO, number) for number in range(4)] == [*forms, forms[0]]
