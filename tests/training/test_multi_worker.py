"""Two processes on loopback under --strategy=multi_worker; then one of them dies."""

import dataclasses
import io
import json
import os
import pathlib
import random
import runpy
import socket
import subprocess
import sys
import types

import numpy as np
import pytest

from nadv2_tf.models import super_network
from nadv2_tf.pipeline.progress import Progress
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages.data import make_task
from nadv2_tf.pipeline.stages.super_network import train_super_network
from nadv2_tf.pipeline.stages.workbench import make_workbench
from nadv2_tf.training.checkpoints.folder import Checkpoints
from nadv2_tf.training.scoring.shared_weights import SharedWeightsEvaluator

WORKER = pathlib.Path(__file__).with_name("two_workers.py")
WORKERS = types.SimpleNamespace(**runpy.run_path(str(WORKER)))


def free_ports(count):
  sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
  ports = [one.getsockname()[1] for one in sockets]
  for one in sockets:
    one.close()
  return ports


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  rng = np.random.default_rng(0)
  arrays = {}
  for part, count in (("train", 24), ("test", 4)):
    arrays[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32), np.uint8)
    arrays[f"y_{part}"] = np.arange(count) % 2
  path = tmp_path_factory.mktemp("data") / "tiny.npz"
  np.savez(path, **arrays)
  return path


def begin_on_one_device(folder, data):
  """Trains two of the four steps and is killed: the workers find these checkpoints."""
  options = dataclasses.replace(WORKERS.TRAIN, strategy="one")
  with WORKERS.registered():
    network = WORKERS.options_of(data)
    bench = make_workbench(RunFolder(folder), network, options, WORKERS.CHECKPOINTS)
  bench.folder.open(network=network, train=options)
  save = Checkpoints.save

  def killed(keeper, checkpoint):
    if checkpoint.step > 2:
      raise KeyboardInterrupt
    save(keeper, checkpoint)

  with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
    patch.setattr(Checkpoints, "save", killed)
    train_super_network(bench, Progress(io.StringIO()))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
  """(folder, [(exit status, standard output, standard error)], [results])."""
  folder = tmp_path_factory.mktemp("workers")
  begin_on_one_device(folder / "run", data)
  addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
  processes = []
  for index in range(2):
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(cluster), "CUDA_VISIBLE_DEVICES": "-1"}
    arguments = [str(folder / "run"), str(data), str(folder / f"{index}.npz")]
    processes.append(
      subprocess.Popen(
        [sys.executable, str(WORKER), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
      )
    )
  try:
    chief, other = processes
    other_output = other.communicate(timeout=400)
    # The heartbeat notices within 10 seconds; whoever never does ends here.
    chief_output = chief.communicate(timeout=120)
  finally:
    for process in processes:
      process.kill()
  ends = [(chief.returncode, *chief_output), (other.returncode, *other_output)]
  results = [folder / f"{index}.npz" for index in range(2)]
  assert all(path.exists() for path in results), ends
  return folder, ends, [dict(np.load(path)) for path in results]


def test_both_end_with_equal_weights(finished):
  _, _, (chief, other) = finished
  names = [name for name in chief if name.isdigit()]
  assert len(names) > 40
  for name in names:
    np.testing.assert_array_equal(chief[name], other[name])


def test_they_have_trained_and_scored_exactly_as_one_device(finished, data):
  folder, _, (chief, other) = finished
  space = WORKERS.space()
  model = super_network(space)
  fresh = [weight.copy() for weight in model.get_weights()]
  model.load_weights(folder / "run" / "super.weights.h5")
  weights = model.get_weights()
  assert not all(map(np.array_equal, fresh, weights))
  for number, weight in enumerate(weights):
    np.testing.assert_array_equal(chief[str(number)], weight)
  with WORKERS.registered():
    task = make_task(WORKERS.options_of(data), 32)
  evaluator = SharedWeightsEvaluator(model, task, task.datasets().holdout)
  rng = random.Random(0)
  expected = evaluator.accuracy([space.sample(rng) for _ in range(3)])
  assert chief["scores"].tolist() == other["scores"].tolist() == expected


def test_all_go_on_from_the_chiefs_checkpoint(finished):
  folder, ends, *_ = finished
  assert "going on from the checkpoint of step 2 of 4" in ends[0][1]
  log = json.loads((folder / "run" / "training.json").read_text())
  assert [report["step"] for report in log["super-network"]] == [4]
  assert not (folder / "run" / "checkpoints" / "super-network").exists()


def test_each_reads_its_own_half_of_a_batch(finished):
  assert [result["rows"].tolist() for result in finished[2]] == [[0, 4], [4, 8]]


def test_only_the_chief_writes_and_speaks(finished):
  folder, ends, (chief, other) = finished
  assert str(chief["folder"]) == str(folder / "run")
  temporary = pathlib.Path(str(other["folder"]))
  assert folder not in temporary.parents
  assert "super-network:" in ends[0][1] and "super-network:" not in ends[1][1]


def test_the_others_stop_soon_with_one_clear_line(finished):
  _, ends, _ = finished
  assert ends[1][0] == -9
  status, _, errors = ends[0]
  assert status == 1
  line = [line for line in errors.splitlines() if line.startswith("error: ")]
  assert len(line) == 1 and "Another worker died or cannot be reached" in line[0], errors[-2000:]
