"""Programs on the JAX backend, in processes of their own in which TensorFlow cannot be imported."""

import os
import subprocess
import sys

WITHOUT_TENSORFLOW = """
import sys

class Absent:  # as where it is not installed
  def find_spec(self, name, path=None, target=None):
    if name.partition(".")[0] == "tensorflow":
      raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_on_jax(program, folder, *arguments):
  """The finished process; it compiles quickly, since numbers are the subject and not speed."""
  environment = {
    **os.environ,
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
  }
  return subprocess.run(
    [sys.executable, "-c", WITHOUT_TENSORFLOW + program, *arguments],
    cwd=folder,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
