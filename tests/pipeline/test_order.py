"""The order of a run: what its stages need is there, whichever part a command runs."""

import dataclasses
import types

import pytest

from nadv2_tf.pipeline import order
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.run_folder.versions import changed

#: what `Work` has before any stage
DEFAULTS = {
  field.name for field in dataclasses.fields(order.Work) if field.default is not dataclasses.MISSING
}
FIELDS = {field.name for field in dataclasses.fields(order.Work)}
BY_NAME = {stage.name: stage for stage in order.STAGES}
#: {part: what the command sets itself}
PARTS = {
  order.TRAIN: set(),
  order.SEARCH: set(),
  order.FINETUNE: {"landings"},
  order.RUN: set(),
}


@pytest.mark.parametrize("part", PARTS, ids=["train", "search", "finetune", "run"])
def test_every_stage_of_a_part_has_what_it_needs(part):
  there = DEFAULTS | PARTS[part]
  assert set(part) <= set(BY_NAME) and len(BY_NAME) == len(order.STAGES)
  for stage in order.STAGES:
    assert {*stage.needs, *stage.gives} <= FIELDS
    if stage.name in part:
      assert set(stage.needs) <= there, stage.name
      there |= set(stage.gives)


def test_a_stage_reads_and_sets_what_it_says():
  """The names that a stage's function takes from `Work` are those that `STAGES` has for it."""
  given = FIELDS - {"bench", "options", "progress", "times", "early"}
  for stage in order.STAGES:
    names = _names(stage.do)
    assert names & given == {*stage.needs, *stage.gives}, stage.name


def _names(function, known=()):
  """Attribute names in a function and in those of the module that it calls."""
  names = set(function.__code__.co_names)
  for name in names & set(vars(order)) - {*known}:
    inner = getattr(order, name)
    if isinstance(inner, types.FunctionType) and inner.__module__ == order.__name__:
      names = names | _names(inner, (*known, name))
  return names


@pytest.mark.parametrize("is_chief", [True, False])
def test_stages_come_in_their_order_and_are_timed_by_their_names(monkeypatch, is_chief):
  done, opened = [], []
  stages = tuple(
    dataclasses.replace(stage, do=lambda work, name=stage.name: done.append(name))
    for stage in order.STAGES
  )
  monkeypatch.setattr(order, "STAGES", stages)
  monkeypatch.setattr(order.strategies, "is_chief", lambda strategy: is_chief)
  timed = []
  times = types.SimpleNamespace(
    stage=lambda name: timed.append(name) or order.contextlib.nullcontext()
  )
  bench = types.SimpleNamespace(open=lambda **groups: opened.append(groups), strategy=None)
  work = order.Work(bench, None, None, times)
  order.go(order.RUN[::-1], work, finetune=1)
  assert opened == [{"finetune": 1}]
  left_out = set() if is_chief else {"time", "report"}
  assert done == [name for name in order.RUN if name not in left_out]
  assert timed == [name for name in done if BY_NAME[name].is_timed]


def test_going_on_with_other_versions_is_said(monkeypatch, tmp_path):
  folder, said = RunFolder(tmp_path), []
  folder.open()
  bench = types.SimpleNamespace(
    folder=folder, seed=0, task=types.SimpleNamespace(quality_name="accuracy")
  )
  work = types.SimpleNamespace(
    bench=bench, folder=folder, progress=types.SimpleNamespace(line=said.append)
  )
  for number, told in ((1, 0), (1, 0), (2, 1), (2, 1)):
    monkeypatch.setattr(
      order, "versions", lambda number=number: {"keras": "3", "numpy": f"{number}"}
    )
    order._note(work)
    assert len(said) == told
  assert said == [f"{order.OTHER_VERSIONS} numpy 1, now 2"]
  assert folder.metrics().versions == {"keras": "3", "numpy": "2"}
  assert changed({"keras": "3", "commit": "a"}, {"keras": "3"}) == "commit a, now none"
