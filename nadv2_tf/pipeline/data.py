"""The task of a run: the one that the outputs of its backbone are for."""

from nadv2_tf import backbones, tasks
from nadv2_tf.tasks.augmentation import Augmentation


def make_task(options, image_size, label_smoothing=0.0, augmentation="shift"):
  """The task of a run.

  Args:
    options: `NetworkOptions`.
    image_size: height and width of the network's input.
    label_smoothing: of the loss.
    augmentation: of the super-network's training.

  Raises:
    ValueError: for a flag that the task does not take.
  """
  network = backbones.search_space(options.backbone).largest()
  task = tasks.task_type(tasks.output_shape(network))
  settings = options.task_settings
  tasks.check_settings(task, settings)
  return task(
    options.data,
    image_size,
    options.holdout,
    options.seed,
    label_smoothing,
    how=options.input,
    whole_pictures=Augmentation(augmentation).is_by_picture,
    cache_bytes=round(options.input_cache_gib * 2**30),
    **settings,
  )
