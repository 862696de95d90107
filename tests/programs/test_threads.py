"""Operators of small steps are not split where two cores are all there is."""

import json

import pytest

from nadv2_tf.programs import threads


@pytest.mark.parametrize(
  ("cores", "given", "expected"),
  [
    (2, ("mobilenet_v3_demo", 32, 64), 1),  # 65 536 pixels
    (2, ("mobilenet_v3_demo", 0, 64), 1),  # the backbone's own 32
    (1, ("mobilenet_v3_demo", None, 64), 1),
    (2, ("mobilenet_v1", 96, 32), None),  # 294 912 pixels
    (4, ("mobilenet_v3_demo", 32, 64), None),  # not measured there
    (2, ("no such backbone", 0, 64), None),
  ],
)
def test_threads_of_a_step(monkeypatch, cores, given, expected):
  monkeypatch.setattr(threads, "_cores", lambda: cores)
  assert threads.of_step(*given) == expected


def test_every_stage_of_a_run_has_the_threads_of_its_training(tmp_path, monkeypatch):
  monkeypatch.setattr(threads, "_cores", lambda: 2)
  assert threads.of_folder(tmp_path / "none") is None
  run = {"network": {"backbone": "mobilenet_v3_demo", "image_size": None}}
  (tmp_path / "run.json").write_text(json.dumps(run))
  assert threads.of_folder(tmp_path) is None  # no training yet
  (tmp_path / "run.json").write_text(json.dumps(run | {"train": {"batch_size": 16}}))
  assert threads.of_folder(tmp_path) == 1
