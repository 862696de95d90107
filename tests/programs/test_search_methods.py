"""Every way to search, from the command line on the embedded images to a file."""

import json

import pytest
import short_backbone

from nadv2_tf.search import OPTIMIZERS

TINY = [
  short_backbone.FLAG,
  *("--image_size=8", "--holdout=100", "--metric=macs", "--target=60%"),
  *("--epochs=0", "--full_epochs=0", "--finetune_epochs=0"),
]
#: {--search_optimizer: flags that make it short}
METHODS = {
  "integer_program": ["--width_levels=1", "--program_rounds=1", "--program_solutions=1"],
}


@pytest.mark.parametrize("name", METHODS)
def test_a_run_ends_with_a_file(run_command, output, name):
  flags = [f"--search_optimizer={name}", *METHODS[name], f"--output={output}"]
  status, _, stderr = run_command("run", *TINY, *flags)
  assert status == 0, stderr
  header = json.loads((output / "search.jsonl").read_text().splitlines()[0])
  assert header["optimizer"] == OPTIMIZERS[name].__name__
  assert (output / "found.tflite").stat().st_size > 1000
