"""The ImageNet presets on a small folder in ImageNet's layout; a picture that is broken."""

import itertools
import json
import pathlib
import zipfile

import numpy as np
import pytest
import short_backbone
from PIL import Image

from nadv2_tf.pipeline.run_folder.folder import RunFolder

PRESETS = pathlib.Path(__file__).resolve().parents[2] / "flags" / "presets"
#: what makes the paper's run small
SMALL = (
  short_backbone.RESIDUAL_FLAG,
  "--image_size=32",
  "--holdout=6",
  "--batch_size=6",
  "--finetune_batch_size=6",
  "--subnetworks_per_batch=6",
  "--epochs=1",
  "--finetune_epochs=1",
  "--target=60%",
  "--samples_per_iteration=2",
  "--layers_per_sample=8",
  "--initial_reduction=0.4",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
  """30 training and 9 validation pictures of three classes, JPEG of several sizes."""
  root = tmp_path_factory.mktemp("imagenet")
  rng = np.random.default_rng(0)
  for (part, count), label in itertools.product((("train", 10), ("val", 3)), range(3)):
    (root / part / f"n{label:08d}").mkdir(parents=True)
    for number in range(count):
      pixels = rng.integers(0, 80, (*rng.integers(33, 60, 2), 3))
      pixels[10 * label : 10 * label + 12] += 150
      path = root / part / f"n{label:08d}" / f"{number}.JPEG"
      Image.fromarray(pixels.astype(np.uint8)).save(path)
  return root


@pytest.mark.slow
def test_the_paper_s_recipe_runs_on_streamed_pictures(start_command, run_command, output, pictures):
  """Over all stages; the network that is kept is plain, and evaluates the same when streamed."""
  preset = f"--flagfile={PRESETS / 'imagenet_mac.flags'}"
  data = f"--data=folder:{pictures}"
  done = start_command("run", preset, *SMALL, data, f"--output={output}")
  assert done.returncode == 0, done.stderr
  settings = RunFolder(output).settings()
  assert settings["network"]["input"] == "stream"
  assert settings["train"]["augmentation"] == "inception"
  assert settings["finetune"]["finetune_augmentation"] == "autoaugment"
  with zipfile.ZipFile(output / "found.keras") as archive:
    layers = archive.read("config.json").decode()
  assert "_add" in layers and "_branch" not in layers
  metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
  network = f"--network={output / 'found.keras'}"
  status, told, errors = run_command("evaluate", network, data, "--input=stream", "--json")
  assert status == 0, errors
  assert json.loads(told)["accuracy"] == metrics["networks"]["found"]["test_accuracy"]


@pytest.mark.parametrize(("preset", "kept"), [("imagenet_latency", 0), ("imagenet_mac", 6)])
def test_a_picture_that_cannot_be_decoded_is_one_line(
  fails, output, pictures, tmp_path, preset, kept
):
  """Before anything is trained, whether it is in the hold-out or not."""
  folder = tmp_path / "copy"
  for path in pictures.rglob("*.JPEG"):
    (folder / path.relative_to(pictures)).parent.mkdir(parents=True, exist_ok=True)
    (folder / path.relative_to(pictures)).hardlink_to(path)
  paths = sorted(folder.glob("train/*/*.JPEG"))
  for index in np.random.default_rng([0, 0]).permutation(30)[kept:]:  # the hold-out is the first 6
    paths[index].unlink()
    paths[index].write_bytes(b"no picture")
  flags = [f"--flagfile={PRESETS / preset}.flags", *SMALL, "--metric=macs"]
  message = rf"Cannot read the image {folder}/train/n\d+/\d+\.JPEG: cannot identify"
  fails(message, "run", *flags, f"--data=folder:{folder}", f"--output={output}")
  assert not list(output.rglob("*.weights.h5"))
