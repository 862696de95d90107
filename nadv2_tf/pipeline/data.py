"""The task of a run: the one that the outputs of its backbone are for."""

from nadv2_tf import backbones, tasks


def make_task(options, image_size, label_smoothing=0.0):
  """The task of a run.

  Args:
    options: `NetworkOptions`.
    image_size: height and width of the network's input.
    label_smoothing: of the loss.

  Raises:
    ValueError: for a flag that the task does not take.
  """
  network = backbones.search_space(options.backbone).largest()
  task = tasks.task_type(tasks.output_shape(network))
  return make(task, options.data, image_size, options, label_smoothing)


def make(task, data, image_size, options, label_smoothing=0.0):
  """A task of the given type; see `make_task`."""
  settings = options.task_settings
  tasks.check_settings(task, settings)
  return task(data, image_size, options.holdout, options.seed, label_smoothing, **settings)
