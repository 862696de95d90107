"""Programs on the JAX backend, in processes of their own in which TensorFlow cannot be imported."""

import os
import subprocess
import sys

WITHOUT_TENSORFLOW = "import sys\nsys.modules['tensorflow'] = None\n"


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
