"""Which task a network is for, and what every task can do: one contract over the registry."""

import inspect

import pytest

from nadv2_tf import backbones, tasks
from nadv2_tf.option import options_of
from nadv2_tf.options import TaskSettings
from nadv2_tf.tasks.task import Task

NAMES = list(tasks.TASKS)


@pytest.mark.parametrize("backbone", list(backbones.BACKBONES))
def test_every_backbone_has_one_task(backbone):
  network = backbones.search_space(backbone).largest()
  shape = tasks.output_shape(network)
  assert [name for name in NAMES if tasks.TASKS[name].fits(shape)] == [
    "depth" if backbone == "fastdepth" else "classification"
  ]
  assert tasks.task_type(shape).fits(shape)


def test_shape_of_outputs():
  head = backbones.search_space("mobilenet_v1", (64, 64, 3), 7).largest()
  assert tasks.output_shape(head) == (7,)
  decoder = backbones.search_space("fastdepth", (64, 64, 3)).largest()
  assert tasks.output_shape(decoder) == (64, 64, 1)


def test_outputs_of_no_task_name_the_tasks():
  with pytest.raises(ValueError, match=r"shape \[4, 4, 2\]; the tasks are classification, depth"):
    tasks.task_type((4, 4, 2))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_all_that_is_asked_of_one(name):
  task = tasks.TASKS[name]
  assert task.name == name and task.quality_name and isinstance(task.settings, tuple)
  for method, asked in inspect.getmembers(Task, inspect.isfunction):
    if not method.startswith("_") and method != "imitation":
      assert inspect.signature(getattr(task, method)).parameters.keys() == (
        inspect.signature(asked).parameters.keys()
      ), method


def test_flags_of_another_task_are_named():
  tasks.check_settings(tasks.TASKS["depth"], {"depth_scale": 0.1})
  with pytest.raises(ValueError, match="--depth_scale=0.1 is not for classification"):
    tasks.check_settings(tasks.TASKS["classification"], {"depth_scale": 0.1})


def test_the_flags_are_those_that_tasks_take():
  taken = {setting for name in NAMES for setting in tasks.TASKS[name].settings}
  assert set(options_of(TaskSettings)) == taken


@pytest.mark.parametrize(
  ("loading", "message"),
  [
    ({"how": "stream"}, "--input=stream and --input_cache_gib are for classification"),
    ({"cache_bytes": 1}, "--input=stream and --input_cache_gib are for classification"),
    ({"whole_pictures": True}, "--augmentation must be shift for depth"),
  ],
)
def test_depth_is_neither_streamed_nor_cropped(loading, message):
  tasks.TASKS["depth"]("rooms:10", 16, 2, 0, how="auto")
  with pytest.raises(ValueError, match=message):
    tasks.TASKS["depth"]("rooms:10", 16, 2, 0, **loading)


def test_depth_has_one_augmentation():
  task = tasks.TASKS["depth"]("rooms:10", 16, 2, 0)
  assert not task.augmentation("shift", 1).is_by_picture
  with pytest.raises(ValueError, match="--augmentation=inception is for classification"):
    task.augmentation("inception", 1)
