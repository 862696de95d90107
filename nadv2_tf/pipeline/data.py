"""Which task a backbone is for."""

from nadv2_tf.tasks.classification import Classification

DEPTH_BACKBONES = ("fastdepth",)


def make_task(options, image_size, label_smoothing=0.0):
  """The task of a run.

  Args:
    options: `NetworkOptions`.
    image_size: height and width of the network's input.
    label_smoothing: of the loss.

  Raises:
    ValueError: for a depth backbone: there is no depth data source yet.
  """
  if options.backbone in DEPTH_BACKBONES:
    raise ValueError(
      f"--backbone={options.backbone} estimates depth, and this version has no depth data; it can "
      "be counted (nadv2-count) and built (nadv2_tf.models)."
    )
  return Classification(options.data, image_size, options.holdout, options.seed, label_smoothing)
