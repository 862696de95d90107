"""Which task a backbone is for."""

from nadv2_tf.tasks.augmentation import Augmentation
from nadv2_tf.tasks.classification import Classification

DEPTH_BACKBONES = ("fastdepth",)


def make_task(options, image_size, label_smoothing=0.0, augmentation="shift"):
  """The task of a run.

  Args:
    options: `NetworkOptions`.
    image_size: height and width of the network's input.
    label_smoothing: of the loss.
    augmentation: of the super-network's training.

  Raises:
    ValueError: for a depth backbone: there is no depth data source yet.
  """
  if options.backbone in DEPTH_BACKBONES:
    raise ValueError(
      f"--backbone={options.backbone} estimates depth, and this version has no depth data; it can "
      "be counted (nadv2-count) and built (nadv2_tf.models)."
    )
  return Classification(
    options.data,
    image_size,
    options.holdout,
    options.seed,
    label_smoothing,
    how=options.input,
    whole_pictures=Augmentation(augmentation).is_by_picture,
    cache_bytes=round(options.input_cache_gib * 2**30),
  )
