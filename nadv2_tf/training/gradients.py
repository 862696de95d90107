"""Loss and gradients of one batch: as the model runs it, or group by group with sliced weights."""

import tensorflow as tf

from nadv2_tf.training.sliced import run_sliced


def gradients(model, task, batch_size, inputs, targets, scale=None, teacher=None):
  """(loss, quality, gradients) of one batch, or of one replica's part of it.

  Args:
    model: Keras model of images, or of [images, widths].
    task: gives `loss` and `quality`.
    batch_size: of the global batch; loss and quality are sums over the images, divided by it.
    inputs: (images,) or (images, widths).
    targets: of the images.
    scale: function of the loss whose gradients are taken; None for the loss itself.
    teacher: a `Teacher` whose outputs for the same images are imitated; None for labels alone.

  Returns:
    loss (not scaled) and quality, scalars; one gradient for every trainable variable.
  """
  taught = teacher and teacher.model(inputs[0], training=False)
  with tf.GradientTape() as tape:
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=True)
    outputs = tf.cast(outputs, "float32")  # whatever the layers compute in
    losses = task.loss(targets, outputs)
    if teacher:
      imitation = task.imitation(taught, outputs)
      losses = (1 - teacher.share) * losses + teacher.share * imitation
    loss = tf.reduce_sum(losses) / batch_size
    scaled = scale(loss) if scale else loss
  quality = tf.reduce_sum(task.quality(targets, outputs)) / batch_size
  return loss, quality, tape.gradient(scaled, model.trainable_variables)


def sliced_gradients(
  model, task, batch_size, subnetworks, inputs, targets, distillation=0.0, dropout_seed=None
):
  """The same for a super-network whose batch falls into groups with one sub-network each.

  Every group runs with its sub-network's own narrower weights.
  The result is that of the masked super-network with batch norm by group, to rounding; the running
  averages of batch norm, which nothing reads, are left alone.

  Args:
    subnetworks: G, groups of the global batch; rows of a group are neighbours and have equal
      `widths`.
    distillation: share of the loss that compares with the full network on the same images.
      Source: in-place distillation, Yu and Huang, Universally Slimmable Networks, ICCV 2019.
    dropout_seed: see `run_sliced`.

  Others and returned values: see `gradients`.
  """
  images, widths = inputs
  rows = batch_size // subnetworks
  groups = images.shape[0] // rows
  variables = model.trainable_variables
  if distillation:
    largest = tf.constant(model.space.encode(model.space.largest()))
    taught = tf.stop_gradient(run_sliced(model, images, largest))

  def group_loss_of(outputs, part):
    loss = task.loss(targets[part], outputs)
    if distillation:
      imitation = task.imitation(taught[part], outputs)
      loss = (1 - distillation) * loss + distillation * imitation
    return tf.reduce_sum(loss) / batch_size

  def add_group(group, loss, quality, *sums):
    part = slice(group * rows, (group + 1) * rows)
    with tf.GradientTape() as tape:
      row = widths[group * rows]
      seed = None if dropout_seed is None else dropout_seed + [0, group]
      outputs = run_sliced(model, images[part], row, training=True, dropout_seed=seed)
      group_loss = group_loss_of(outputs, part)
    group_quality = tf.reduce_sum(task.quality(targets[part], outputs)) / batch_size
    # A removed block's weights have no part in the loss.
    found = tape.gradient(group_loss, variables, unconnected_gradients="zero")
    # A loop and not G copies of the network in the graph, which would take minutes to trace.
    return (
      group + 1,
      loss + group_loss,
      quality + group_quality,
      *(total + tf.convert_to_tensor(value) for total, value in zip(sums, found, strict=True)),
    )

  zeros = [tf.zeros(variable.shape, variable.dtype) for variable in variables]
  _, loss, quality, *sums = tf.while_loop(
    lambda group, *_: group < groups, add_group, (0, 0.0, 0.0, *zeros), parallel_iterations=1
  )
  return loss, quality, sums
