"""nadv2-run with weights and distribution trained in turn, to the found network's file."""

import json

import h5py
import pytest
import short_backbone

IN_TURN = ["--search_optimizer=fp_nas", "--shared_weights=in_turn", "--samples_per_nat=0.1"]
FLAGS = [
  *("--execution=sliced", "--metric=macs", "--epochs=2", "--full_epochs=0", "--finetune_epochs=0"),
  *("--target=70%,50%", *IN_TURN),
]


def test_a_run_ends_with_a_file_and_is_not_mixed_with_others(
  run_command, small, output, check_one_line
):
  flags = [short_backbone.FLAG, *small, *FLAGS, "--target=60%", f"--output={output}"]
  status, stdout, stderr = run_command("run", *flags)
  assert status == 0, stderr
  assert "networks a step at first" in stdout and "it is still undecided" in stdout
  metrics = json.loads((output / "metrics.json").read_text())
  assert metrics["metric"]["predicted"] <= metrics["metric"]["target"]
  assert (output / "found.tflite").stat().st_size > 0
  # Two epochs of four images, of a batch each, are two steps.
  trained = json.loads((output / "distributions.json").read_text())
  assert [note["step"] for note in trained["notes"]] == [0, 1]
  assert metrics["search_notes"]["networks_drawn"] == trained["networks_drawn"] > 4
  assert metrics["samples_scored"] == 1
  # A search with the same settings reads it, and finds the same.
  files = [output / name for name in ("super.weights.h5", "search.jsonl", "distributions.json")]
  before = [path.read_bytes() for path in files]
  search = ["--metric=macs", "--target=60%", *IN_TURN, f"--output={output}"]
  status, stdout, stderr = run_command("search", *search, short=True)
  assert status == 0 and f"weights in {files[0]} are used" in stdout, stderr
  assert [path.read_bytes() for path in files] == before
  # Nor does a distribution go with other weights, or weights with none.
  with h5py.File(files[0], "r+") as weights:
    kernel = weights["layers"]["super_convolution"]["vars"]["0"]
    kernel[...] = kernel[...] + 1
  status, _, stderr = run_command("search", *search, short=True)
  check_one_line(status, stderr, "distributions.json was made from the super-network's weights")
  files[2].unlink()
  status, _, stderr = run_command("search", *search, short=True)
  check_one_line(status, stderr, "was trained without a distribution; nadv2-run with")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (["--execution=masked"], "needs --order=full_first and --execution=sliced"),
    (["--order=paper"], "needs --order=full_first and --execution=sliced"),
    (["--epochs=0"], "trains the super-network; give it --epochs above 0"),
    (["--search_steps=9"], "--search_steps=9 is for --shared_weights=fixed; in turn the steps are"),
    (["--epochs=1"], "--epochs=1 are 1 steps for 2 targets"),
    (["--holdout=6"], "half of the training images: 3, which fill no --batch_size=4"),
    (["--search_optimizer=mcd"], "is for --search_optimizer=fp_nas; mcd does not take it"),
  ],
)
def test_what_it_cannot_do_is_refused_before_training(small, output, fails, changes, message):
  fails(message, "run", short_backbone.FLAG, *small, *FLAGS, f"--output={output}", *changes)
