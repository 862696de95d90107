"""tf.distribute strategies by name, and what may go wrong with them, each as one clear line.

TensorFlow is imported only by who asks for a strategy: on the JAX backend there is one device.
"""

import contextlib
import functools
import os
import socket
import time
from typing import Any

import keras
import numpy as np

from nadv2_tf.options.training import STRATEGIES
from nadv2_tf.training.cluster import JOBS, read_cluster

#: the workers of a cluster must all have started within this many seconds
START_SECONDS = 300
#: a worker that sends no sign of life for so many seconds is lost, and the others stop
HEARTBEAT_SECONDS = 10
#: bytes that are sent at once from one worker to the others
CHUNK = 2**24


class WorkerLost(RuntimeError):
  """Another worker died or cannot be reached; this one cannot go on."""


class OneDevice:
  """What stands for a strategy without tf.distribute: the device that the backend took."""

  num_replicas_in_sync = 1

  def scope(self) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def on_tensorflow() -> bool:
  return keras.config.backend() == "tensorflow"


def make_strategy(name: str = "auto") -> Any:
  """The strategy called `name`, one of `STRATEGIES`.

  "auto" is multi_worker where TF_CONFIG names several workers, mirrored where this machine has
  several GPUs, else one device. "mirrored" takes all GPUs, or all logical CPUs where there is no
  GPU. "multi_worker" must be made before TensorFlow has computed anything.

  Raises:
    ValueError: if there is no such strategy, or what it needs is missing.
    WorkerLost: if the other workers do not start within START_SECONDS.
  """
  if name not in STRATEGIES:
    raise ValueError(f"--strategy must be one of {', '.join(STRATEGIES)}, got {name!r}.")
  if not on_tensorflow():
    if name in ("auto", "one"):
      return OneDevice()
    raise ValueError(
      f"--strategy={name} needs the TensorFlow backend; with KERAS_BACKEND="
      f"{keras.config.backend()} training and scoring run on one device."
    )
  if name == "multi_worker" or (name == "auto" and _several_workers()):
    return _multi_worker()
  if name == "tpu":
    return _tpu()
  import tensorflow as tf

  gpus = tf.config.list_logical_devices("GPU")
  if name == "mirrored" or (name == "auto" and len(gpus) > 1):
    devices = gpus or tf.config.list_logical_devices("CPU")
    return _mirrored(tuple(device.name for device in devices))
  return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> Any:
  """One for each set of devices: two of a process would number their collective sums alike."""
  import tensorflow as tf

  return tf.distribute.MirroredStrategy(list(devices))


def _several_workers() -> bool:
  if not os.environ.get("TF_CONFIG"):
    return False
  cluster, *_ = read_cluster()
  return sum(map(len, cluster.values())) > 1


def _multi_worker() -> Any:
  cluster, job, index = read_cluster()
  import tensorflow as tf

  addresses = [address for name in JOBS for address in cluster.get(name, ())]
  if cluster[job][index] == addresses[0]:
    _wait_for(addresses[1:])
  _bound_waiting(cluster)
  try:
    return tf.distribute.MultiWorkerMirroredStrategy()
  except tf.errors.OpError as error:
    raise WorkerLost(
      f"Not all workers of TF_CONFIG could be reached within {START_SECONDS} seconds: "
      f"{_first_line(error)}"
    ) from None
  except RuntimeError as error:
    raise ValueError(f"--strategy=multi_worker cannot start: {error}") from None


def _wait_for(addresses: list[str]) -> None:
  """Returns when something listens at every address: the first worker would wait for ever."""
  end = time.monotonic() + START_SECONDS
  for address in addresses:
    host, _, port = address.rpartition(":")
    while True:
      try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        break
      except OSError as error:
        if time.monotonic() > end:
          raise WorkerLost(
            f"Worker {address} of TF_CONFIG could not be reached within {START_SECONDS} seconds: "
            f"{error}."
          ) from None
        time.sleep(0.5)


def _bound_waiting(cluster: dict[str, list[str]]) -> None:
  """Makes a missing worker an error after a while; TensorFlow's own default waits for an hour."""
  # No public setting: the strategy makes this very call, without the two limits.
  from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2 as coordination
  from tensorflow.python.eager import context

  leader = "chief" if cluster.get("chief") else "worker"
  jobs = [
    coordination.CoordinatedJob(name=job, num_tasks=len(cluster[job]))
    for job in JOBS
    if cluster.get(job)
  ]
  context.context().configure_coordination_service(
    service_type="standalone",
    service_leader=f"/job:{leader}/replica:0/task:0",
    cluster_register_timeout_in_ms=START_SECONDS * 1000,
    heartbeat_timeout_in_ms=HEARTBEAT_SECONDS * 1000,
    coordinated_jobs=jobs,
  )


def _tpu() -> Any:
  import tensorflow as tf

  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
  except (ValueError, KeyError, RuntimeError, tf.errors.OpError) as error:
    raise ValueError(f"--strategy=tpu finds no TPU: {_first_line(error)}") from None
  return tf.distribute.TPUStrategy(resolver)


def _first_line(error: BaseException) -> str:
  return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def check_replicas(
  strategy: Any, batch_size: int, subnetworks: int | None = None, execution: str = "masked"
) -> None:
  """Raises ValueError unless a global batch falls into equal parts, one for each replica.

  Args:
    strategy: see `make_strategy`.
    batch_size: of the global batch.
    subnetworks: G of a super-network; None for a stand-alone network.
    execution: of the super-network.
  """
  replicas = strategy.num_replicas_in_sync
  if batch_size % replicas:
    raise ValueError(
      f"--batch_size={batch_size} must be divisible by the {replicas} replicas that train on it."
    )
  if subnetworks is None or (execution == "masked" and subnetworks in (1, batch_size)):
    return
  if subnetworks % replicas:
    raise ValueError(
      f"--subnetworks_per_batch={subnetworks} must be divisible by the {replicas} replicas (the "
      "images of a sub-network have batch-norm statistics of their own, on one replica), or be "
      f"the batch size {batch_size}."
    )


def batch_norm_form(strategy: Any, batch_size: int, subnetworks: int) -> dict[str, Any]:
  """Keyword arguments of `super_network`: how a replica's images share batch-norm statistics.

  Statistics are those of one device: a group of images never spans replicas, and where all images
  are one group its sums are taken over the replicas.
  """
  replicas = strategy.num_replicas_in_sync
  if subnetworks in (1, batch_size):
    return {"groups": 1, "synchronized": replicas > 1}
  return {"groups": subnetworks // replicas}


def own_rows(strategy: Any, batch_size: int) -> slice:
  """Which rows of a global batch this process's replicas take, a slice."""
  if not is_multi_worker(strategy):
    return slice(0, batch_size)
  own: list[int] = []
  rows = batch_size // strategy.num_replicas_in_sync

  def note(context: Any) -> Any:
    own.append(context.replica_id_in_sync_group)
    return np.float32(0)

  strategy.experimental_distribute_values_from_function(note)
  return slice(min(own) * rows, (max(own) + 1) * rows)


def is_chief(strategy: Any) -> bool:
  """Whether this process writes the files and prints; there is one in a cluster."""
  return not is_multi_worker(strategy) or strategy.extended.should_checkpoint


def is_multi_worker(strategy: Any) -> bool:
  extended = getattr(strategy, "extended", None)
  return bool(extended and getattr(extended, "_in_multi_worker_mode", lambda: False)())


def broadcast(strategy: Any, content: bytes) -> bytes:
  """The chief's `content`, bytes, on every worker."""
  size = int(_sum_from_chief(strategy, np.array([len(content)], np.float64))[0])
  received = bytearray()
  for start in range(0, size, CHUNK):
    part = np.zeros(min(CHUNK, size - start), np.float32)
    if is_chief(strategy):
      part[:] = np.frombuffer(content, np.uint8, len(part), start)
    received += _sum_from_chief(strategy, part).astype(np.uint8).tobytes()
  return bytes(received)


def _sum_from_chief(strategy: Any, array: np.ndarray) -> np.ndarray:
  import tensorflow as tf

  values = strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(array * (context.replica_id_in_sync_group == 0))
  )
  return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()


def wait_for_all(strategy: Any) -> None:
  """Returns when every worker has come here: who goes first would look dead to the others."""
  if is_multi_worker(strategy):
    _sum_from_chief(strategy, np.zeros(1, np.float32))


def lost_worker(error: BaseException) -> WorkerLost | None:
  """What a TensorFlow error says about another worker, as a `WorkerLost`; None if nothing."""
  text = str(error)
  signs = ("Collective ops is aborted", "unhealthy", "coordination service", "Socket closed")
  if type(error).__module__.startswith("tensorflow") and any(sign in text for sign in signs):
    line = next(line for line in text.splitlines() if any(sign in line for sign in signs))
    return WorkerLost(
      f"Another worker died or cannot be reached, so this one stops: {line.strip()[:300]} Start "
      "all workers again with the same --output; they go on from what the chief saved."
    )
  return None
