"""The machines of a training, as the variable TF_CONFIG names them."""

import json
import os

JOBS = ("chief", "worker")


def read_cluster() -> tuple[dict[str, list[str]], str, int]:
  """(addresses by job, job, index) of TF_CONFIG.

  Raises:
    ValueError: saying what TF_CONFIG lacks.
  """
  text = os.environ.get("TF_CONFIG", "")
  example = (
    """'{"cluster": {"worker": ["host0:12345", "host1:12345"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
  )
  if not text:
    raise ValueError(
      f"--strategy=multi_worker reads TF_CONFIG, which is not set; such as {example}."
    )
  try:
    config = json.loads(text)
    cluster = {job: list(addresses) for job, addresses in config["cluster"].items()}
    job, index = config["task"]["type"], int(config["task"]["index"])
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(
      f"TF_CONFIG cannot be read ({type(error).__name__}: {error}); it must be such as {example}."
    ) from None
  unknown = sorted({job, *cluster} - set(JOBS))
  if unknown:
    raise ValueError(
      f"TF_CONFIG: jobs and the task's type must be chief or worker, got {unknown[0]!r}."
    )
  for name, addresses in cluster.items():
    for address in addresses:
      if not isinstance(address, str) or not address.rpartition(":")[2].isdigit():
        raise ValueError(f"TF_CONFIG: {name} {address!r} is not of the form host:port.")
  if not 0 <= index < len(cluster.get(job, ())):
    raise ValueError(
      f"TF_CONFIG: the task is {job} {index}, and the cluster has {len(cluster.get(job, ()))} of "
      f"the job {job}."
    )
  return cluster, job, index
