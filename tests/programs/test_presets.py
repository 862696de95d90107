"""--preset=NAME reads a file of the package; flags after it overrule it."""

import json
import pathlib
import subprocess
import sys

import pytest

from nadv2_tf import backbones
from nadv2_tf.programs import presets


def test_every_preset_is_read_by_name():
  folder = pathlib.Path(__file__).resolve().parents[2] / "flags" / "presets"
  assert presets.names() == sorted(path.stem for path in folder.glob("*.flags"))
  for name in presets.names():
    for given in ([f"--preset={name}"], ["-preset", name], ["--preset", name]):
      command, flagfile, after = presets.expanded(["nadv2-run", *given, "--epochs=1"])
      assert (command, after) == ("nadv2-run", "--epochs=1")
      path = flagfile.removeprefix("--flagfile=")
      assert path != flagfile and pathlib.Path(path).samefile(folder / f"{name}.flags")


def test_another_name_is_refused_with_those_there_are():
  for given in (["--preset=papers"], ["--preset"], ["--preset", "--epochs=1"]):
    with pytest.raises(ValueError, match="--preset must be one of cifar10, .*, paper, got "):
      presets.expanded(["nadv2-run", *given])


def test_what_stands_after_a_preset_overrules_it():
  program = """
import sys
from absl import flags
from nadv2_tf.programs import presets, run
run.define_flags()
flags.FLAGS(presets.expanded(["nadv2-run", *sys.argv[1:]]))
names = ("order", "full_epochs", "subnetworks_per_batch", "transfer")
print(*(getattr(flags.FLAGS, name) for name in names))
"""
  given = ["--preset=paper", "--full_epochs=2", "--output=somewhere"]
  printed = subprocess.run(
    [sys.executable, "-c", program, *given], capture_output=True, text=True, check=True
  ).stdout
  assert printed.split() == ["paper", "2.0", "64", "direct"]


# --- the paper's numbers


@pytest.fixture(scope="module")
def options():
  """{preset: {group: {option: value}}} as nadv2-run reads each of them."""
  program = """
import dataclasses, json, sys
from absl import flags
from nadv2_tf.programs import presets, run
run.define_flags()
found = {}
for name in presets.names():
  flags.FLAGS.unparse_flags()
  flags.FLAGS(presets.expanded(["nadv2-run", f"--preset={name}", "--output=somewhere"]))
  found[name] = dataclasses.asdict(run.options())
print(json.dumps(found))
"""
  done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
  return json.loads(done.stdout)


#: sub-networks are drawn freely, none of them the full one, and scored on all of the hold-out
PAPER = {
  "train": {
    "order": "paper", "full_epochs": 0, "full_subnetworks": 0, "smallest_subnetworks": 0,
    "size_noise": float("inf"), "block_noise": 0, "distillation": 0, "execution": "masked",
  },
  "search": {"race": False, "search_optimizer": "mcd"},
  "finetune": {"finetune_holdout": False},
}  # fmt: skip
#: section 4.1.1: the rate falls by 0.963 every 3 epochs and is linear in the batch size
IMAGENET = {
  "network": {"data": "tfds:imagenet2012", "holdout": 10_000},
  "train": {
    "optimizer": "rmsprop", "l2": 1e-5, "weight_decay": 0, "ema": 0.9998, "batch_size": 1024,
    "learning_rate": 0.064, "schedule": "exponential", "decay": 0.963, "decay_epochs": 3,
  },
  "finetune": {"transfer": "direct"},
}  # fmt: skip
#: sections 4.2.1 and A.2: 50 epochs, each at 0.9 of the rate before; 2 for each network on the way
NYU = {
  "network": {"backbone": "fastdepth", "data": "tfds:nyu_depth_v2", "holdout": 2000},
  "train": {
    "epochs": 50, "batch_size": 16, "learning_rate": 0.025, "schedule": "exponential",
    "decay": 0.9, "decay_epochs": 1,
  },
  "finetune": {"transfer": "trajectory", "transfer_epochs": 2, "finetune_learning_rate": 0.05},
}  # fmt: skip
#: (preset, what it shares, what is its own, and of the search J, L or None where it is not given,
#: and the first iteration's reduction)
PUBLISHED = [
  ("paper", {}, {"finetune": {"transfer": "direct"}}, (200, 10, 0.03)),
  (
    "imagenet_latency",
    IMAGENET,
    {
      "network": {"backbone": "netadaptv2_latency"},
      "search": {"metric": "latency_ms"},
      "finetune": {"finetune_batch_size": 2048, "finetune_learning_rate": 0.064 * 2},
    },
    (200, 10, 0.03),
  ),
  (
    "imagenet_mac",
    IMAGENET,
    {
      "network": {"backbone": "netadaptv2_mac"},
      "search": {"metric": "macs", "target": "314M"},
      "finetune": {
        "finetune_batch_size": 1536, "finetune_learning_rate": 0.064 * 1.5,
        "finetune_augmentation": "autoaugment", "finetune_stochastic_depth": 1 - 0.8,
      },
    },
    (200, 15, 0.025),
  ),
  ("nyu_depth", NYU, {"search": {"metric": "latency_ms"}}, (150, None, 0.015)),
]  # fmt: skip


@pytest.mark.parametrize(
  ("preset", "shared", "own", "search"), PUBLISHED, ids=[row[0] for row in PUBLISHED]
)
def test_a_preset_has_the_paper_s_numbers(options, preset, shared, own, search):
  given = options[preset]
  for group, expected in (*PAPER.items(), *shared.items(), *own.items()):
    found = {name: given[group][name] for name in expected}
    assert found == pytest.approx(expected), group
  # Every image is in a sub-network of its own.
  assert given["train"]["subnetworks_per_batch"] == given["train"]["batch_size"]
  samples, layers, reduction = search
  settings = given["search"]["optimizer_settings"]
  assert (settings["samples_per_iteration"], settings["initial_reduction"]) == (samples, reduction)
  assert layers in (None, settings["layers_per_sample"])
  assert (settings["reduction_decay"], settings["choose_by"]) == (0.98, "accuracy")


@pytest.mark.parametrize("preset", ["imagenet_latency", "imagenet_mac"])
def test_the_paper_s_networks_drop_a_fifth_of_the_features(options, preset):
  network = backbones.network(options[preset]["network"]["backbone"])
  assert network.blocks[-1].dropout == 0.2
