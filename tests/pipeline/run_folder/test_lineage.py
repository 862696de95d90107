"""Files that were made from something else than what is there are refused, by name."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from nadv2_tf import backbones
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.folder import RunFolder

SPACE = backbones.search_space("mobilenet_v1", (32, 32, 1), 3)


def test_what_was_noted_is_checked_and_what_was_not_is_taken(folder):
  path = folder.keras("found")
  lineage.check(folder, path, weights=1)
  lineage.note(folder, path, weights=1, images=[2, 3])
  lineage.note(folder, folder.super_weights, weights=5)
  lineage.check(folder, path, weights=1, images=(2, 3), more=7)
  with pytest.raises(ValueError, match=f"{path} was made from images other than .* Delete {path}"):
    lineage.check(folder, path, weights=1, images=[2, 4])


def test_damage_is_told(folder):
  folder.lineage_file.write_text('{"found.keras": 3}')
  with pytest.raises(ValueError, match="lineage.json must hold objects"):
    lineage.check(folder, folder.keras("found"), weights=1)


def test_a_network_is_known_by_its_blocks_not_by_its_name():
  spec = SPACE.largest()
  assert lineage.of_spec(spec) == lineage.of_spec(dataclasses.replace(spec, name="other"))
  assert lineage.of_spec(spec) != lineage.of_spec(SPACE.smallest())


def test_weights_are_known_by_their_values(tiny_space, randomise):
  from nadv2_tf.models import stand_alone

  one, same, other = (randomise(stand_alone(tiny_space.largest()), seed) for seed in (1, 1, 2))
  assert lineage.of_weights(one) == lineage.of_weights(same) != lineage.of_weights(other)
  assert lineage.of_weights(None) is None


@pytest.mark.parametrize("replaced", ["full.keras", "super.weights.h5"])
def test_a_run_in_which_a_file_was_replaced_does_not_mix_two_runs(
  tmp_path, finished_run, run_small, replaced
):
  path = tmp_path / "run"
  shutil.copytree(finished_run[0], path)
  folder = RunFolder(path)
  if replaced == "full.keras":  # as if made anew with other weights
    noted = folder.lineage()
    for name in ("super.weights.h5", "found.keras"):
      for what in noted.get(name, {}):
        if what in ("a full network", "trained weights"):
          noted[name][what] = 1
    folder.write_json(folder.lineage_file, noted)
    message = r"super\.weights\.h5 was made from a full network other than those here"
  else:
    entries = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    entries[0]["scored_with"]["weights"] += 1
    lines = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
    folder.journal.write_text(lines)
    message = "search.jsonl, line 1 is of another search"
  with pytest.raises(ValueError, match=message):
    run_small(path)


def test_a_digest_sees_every_image():
  from nadv2_tf.tasks.examples import Examples

  images = np.zeros((300, 4, 4, 1), np.uint8)
  before = Examples(images, np.zeros(300, np.int64)).digest()
  images = images.copy()
  images[299, 3, 2] = 1
  assert Examples(images, np.zeros(300, np.int64)).digest() != before
