"""Tasks by name; each module registers its own."""

from nadv2_tf.tasks import classification, depth  # noqa: F401  (register themselves)
from nadv2_tf.tasks.task import TASKS, check_loss, check_settings, output_shape, task_type

__all__ = ["TASKS", "check_loss", "check_settings", "output_shape", "task_type"]
