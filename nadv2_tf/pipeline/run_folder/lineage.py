"""What the files of a run were made from, so that files of different runs are never mixed.

A stage whose file is there is not run again. If what the file was made from has been made anew
meanwhile (a file was deleted, a picture replaced), it belongs to another run.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from typing import TYPE_CHECKING, Any

from nadv2_tf.training.digests import weights_checksum

if TYPE_CHECKING:
  import pathlib

  import keras

  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.spec import NetworkSpec


#: what accuracies are measured on
TEST = "test images"


def of_weights(model: keras.Model | None) -> int | None:
  """A number that other weights hardly have; of no model it is None."""
  return None if model is None else weights_checksum(model)


def of_spec(spec: NetworkSpec) -> int:
  """A number that other networks hardly have; names do not count."""
  return zlib.crc32(dataclasses.replace(spec, name="any").to_json().encode())


def check(folder: RunFolder, path: pathlib.Path, **made_from: Any) -> None:
  """Raises ValueError if a file that is there was made from something else.

  Args:
    folder: the `RunFolder`; a file that it says nothing of is taken as it is.
    path: of the file.
    **made_from: {what: its digest, of JSON values}.
  """
  before = folder.lineage().get(path.name)
  if before is None:
    return
  for what, digest in made_from.items():
    if before.get(what, digest) != json.loads(json.dumps(digest)):
      raise ValueError(
        f"{path} was made from {what} other than those here, which were made or changed since. "
        f"Delete {path} to make it anew, or bring back what it was made from."
      )


def check_test(folder: RunFolder, digest: Any) -> None:
  """Raises ValueError if figures that are there were measured on other test images.

  Args:
    folder: the `RunFolder`; figures that it says nothing of are taken as they are.
    digest: of the test images, of JSON values.
  """
  before = folder.lineage().get(folder.metrics_file.name, {}).get(TEST)
  if before is not None and before != json.loads(json.dumps(digest)):
    raise ValueError(
      f"The accuracies in {folder.metrics_file} were measured on other test images than those "
      "here, which were changed since. Bring them back, or choose another --output; nadv2-evaluate "
      "measures a network on any images."
    )


def note_test(folder: RunFolder, digest: Any) -> None:
  """Writes down what accuracies are measured on."""
  note(folder, folder.metrics_file, **{TEST: digest})


def note(folder: RunFolder, path: pathlib.Path, **made_from: Any) -> None:
  """Writes down what a file is made from; to be called before the file appears."""
  folder.write_json(folder.lineage_file, folder.lineage() | {path.name: made_from})
