"""A given network as a run searches it: for the data's images and classes, kept in its folder."""

from __future__ import annotations

import dataclasses
import io
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf import reading, tasks
from nadv2_tf.options.network import is_given
from nadv2_tf.pipeline.run_folder import lineage
from nadv2_tf.pipeline.run_folder.folder import GIVEN
from nadv2_tf.pipeline.stages.given import comparison, form, source
from nadv2_tf.reading import ReadNetwork
from nadv2_tf.spec import space_of
from nadv2_tf.spec.files import write_atomically
from nadv2_tf.training.digests import weights_checksum

if TYPE_CHECKING:
  import pathlib

  import keras

  from nadv2_tf.options import NetworkOptions
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.spec import NetworkSpec, SearchSpace
  from nadv2_tf.tasks.examples import Datasets
  from nadv2_tf.tasks.task import Task

#: n of the width grid, as of the paper's latency-guided search
LEVELS = 8
#: of the file beside its spec in a run's folder
WEIGHTS = "network.weights.npz"


@dataclasses.dataclass(frozen=True)
class GivenNetwork:
  """A network that a run begins with.

  Attributes:
    read: of images in [-1, 1], the data's classes, with bypasses.
    input_range: (what black is, what white is) for the user's own model.
    ending: what the user's own model makes of logits, one of `form.ENDINGS`.
    is_new_classifier: whether the classifier is not the model's, and untrained.
    digests: {"file", "weights": what the model's hardly share with those of others}.
    lines: for the user.
  """

  read: ReadNetwork
  input_range: tuple[float, float]
  ending: str
  is_new_classifier: bool
  digests: dict[str, Any]
  lines: tuple[str, ...] = ()

  @property
  def spec(self) -> NetworkSpec:
    return self.read.spec

  @property
  def image_size(self) -> int:
    return self.spec.input_shape[0]

  def space(self) -> SearchSpace:
    """Its sub-networks."""
    return space_of(self.spec, LEVELS)

  def fitted(self, task: Task, datasets: Datasets) -> GivenNetwork:
    """Itself; ValueError if it is not for these images and classes."""
    _check_channels("the network of the run", self.spec, task, datasets)
    task.check_outputs(tasks.output_shape(self.spec), datasets)
    return self

  def keep(self, folder: RunFolder) -> None:
    """Writes it into a run's folder, unless it is there: from then on the user's file may go."""
    path = folder.path / WEIGHTS
    if path.exists() and folder.spec(GIVEN).exists():
      return
    about = {
      "input_range": self.input_range,
      "ending": self.ending,
      "output_activation": self.read.output_activation,
      "dropped": self.read.dropped,
      "is_new_classifier": self.is_new_classifier,
      "digests": self.digests,
    }
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
    for layer, weights in self.read.weights.items():
      arrays |= {f"{layer}:{index}": array for index, array in enumerate(weights)}
    content = io.BytesIO()
    np.savez(content, **arrays)
    folder.write_spec(GIVEN, self.spec)
    lineage.note(folder, path, **{"the given network": self.digests, "its spec": self._spec_digest})
    write_atomically(path, content.getvalue())

  @property
  def _spec_digest(self) -> int:
    return zlib.crc32(self.spec.to_json().encode())


@dataclasses.dataclass(frozen=True)
class Unfitted:
  """A network that was just read, before the data is known.

  Attributes:
    model: the user's.
    read: of the model's own images and classes.
    options: `NetworkOptions`.
  """

  model: keras.Model
  read: ReadNetwork
  options: NetworkOptions

  @property
  def spec(self) -> NetworkSpec:
    """For the task alone: of a model without a classifier, that with one."""
    return self.read.spec if self._has_task() else reading.with_classes(self.read, 2).spec

  @property
  def image_size(self) -> int:
    return self.options.image_size or self.read.spec.input_shape[0]

  def _has_task(self) -> bool:
    return any(tasks.TASKS[name].fits(tasks.output_shape(self.read.spec)) for name in tasks.TASKS)

  def fitted(self, task: Task, datasets: Datasets) -> GivenNetwork:
    """The network for these images and classes.

    Raises:
      ValueError: in one line, for images of other channels, or if the spec does not give what the
        model gives on them.
    """
    options, flag = self.options, source.flag_of(self.options)
    _check_channels(flag, self.read.spec, task, datasets)
    input_range, why = source.input_range_of(self.model, self.read, options)
    gap = comparison.gap(self.model, self.read, datasets, input_range)
    low, high = input_range
    lines = [
      f"network: {flag} has {len(self.read.spec.blocks)} blocks and "
      f"{self.read.spec.parameters():,} parameters; as a spec it gives the same outputs on your "
      f"images, to {gap:.1g} of their spread",
      *(f"network: {line}" for line in self.read.dropped),
      f"network: it takes pixels as {low:g}..{high:g}: {why}",
    ]
    size = self.image_size
    try:
      # Zeros of one size are SAME padding and of another are not: it is read at the size it is for.
      is_own_size = self.read.spec.input_shape[:2] == (size, size)
      read = self.read if is_own_size else source.read(self.model, options, size)
      if not is_own_size:
        told = comparison.at_another_size(self.model, read, datasets, input_range)
        lines.insert(1, f"network: {told}")
      found, is_new = self._with_classes(read, task, datasets, lines)
      found = reading.with_bypass(reading.with_input_range(found, low, high), options.bypass)
      task.check_outputs(tasks.output_shape(found.spec), datasets)
    except ValueError as error:
      raise ValueError(f"{flag} at --image_size={size}: {error}") from None
    digests: dict[str, Any] = {
      "weights": weights_checksum(self.model),
      "spec": _checksum(self.read),
    }
    path = source.file_of(options)
    if path:
      digests["file"] = source.digest_of_file(path)
    ending = form.ending_of(self.model, self.read, is_new)
    return GivenNetwork(found, input_range, ending, is_new, digests, tuple(lines))

  def _with_classes(
    self, read: ReadNetwork, task: Task, datasets: Datasets, lines: list[str]
  ) -> tuple[ReadNetwork, bool]:
    """(`read` for the data's classes, whether its classifier is new); adds to `lines`."""
    wanted, head = task.outputs(datasets), read.spec.blocks[-1]
    if not self._has_task():
      lines.append(
        "network: it has no classifier; a new one is trained, alone first (--head_epochs)"
      )
      return reading.with_classes(read, wanted, self.options.seed), True
    if head.kind != "head" or head.classes == wanted:
      return read, False
    lines.append(
      f"network: it tells {head.classes} classes apart, the data has {wanted}: its classifier is "
      "replaced, and the new one trained alone first (--head_epochs)"
    )
    return reading.with_classes(read, wanted, self.options.seed), True


def look(folder: RunFolder, options: NetworkOptions) -> GivenNetwork | Unfitted | None:
  """The network that a run begins with: kept in its folder, or read; None: a package's backbone.

  Raises:
    ValueError: in one line, if it cannot be had or read, or is another than the run began with.
  """
  if not is_given(options):
    return None
  kept = _kept(folder, options)
  if kept is None:
    model = source.load(options)
    return Unfitted(model, source.read(model, options), options)
  _check_unchanged(folder, options, kept)
  return kept


def kept_range(path: pathlib.Path) -> tuple[float, float] | None:
  """What the user's own network took for black and white, of a run's folder; None: it had none."""
  file = path / WEIGHTS
  return tuple(_unpacked(file)[1]["input_range"]) if file.exists() else None


def _checksum(read: ReadNetwork) -> int:
  """Of what is computed with the weights."""
  return zlib.crc32((read.spec.to_json() + read.output_activation).encode())


def _check_channels(flag: str, spec: NetworkSpec, task: Task, datasets: Datasets) -> None:
  wanted, there = spec.input_shape[-1], datasets.train.image_shape[-1]
  if wanted != there:
    raise ValueError(f"{flag} takes images of {wanted} channel(s), those of --data have {there}.")


def _check_unchanged(folder: RunFolder, options: NetworkOptions, kept: GivenNetwork) -> None:
  """Raises ValueError if the user's file is another than the run began with; it may be gone."""
  path = source.file_of(options)
  if path is None or not path.is_file():
    return
  if source.digest_of_file(path) == kept.digests.get("file"):
    return
  # A file that was saved again differs by its date.
  model = source.load(options)
  now = {"weights": weights_checksum(model), "spec": _checksum(source.read(model, options))}
  if now == {name: kept.digests.get(name) for name in now}:
    return
  raise ValueError(
    f"--output={folder.path} began with another network than {path} holds now. Choose another "
    "--output, or bring the file back; the run itself needs it no more."
  )


def _kept(folder: RunFolder, options: NetworkOptions) -> GivenNetwork | None:
  path = folder.path / WEIGHTS
  if not path.exists() or not folder.spec(GIVEN).exists():
    return None
  spec = folder.read_spec(GIVEN)
  weights, about = _unpacked(path)
  read = ReadNetwork(spec, weights, about["output_activation"], tuple(about["dropped"]))
  line = f"network: {source.flag_of(options)} as it is kept in {folder.spec(GIVEN)}"
  input_range, digests = tuple(about["input_range"]), about["digests"]
  found = GivenNetwork(
    read, input_range, about["ending"], about["is_new_classifier"], digests, (line,)
  )
  lineage.check(folder, path, **{"its spec": found._spec_digest})
  return found


def _unpacked(path: pathlib.Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
  """({layer: arrays}, what is said about them)."""
  weights: dict[str, list[np.ndarray]] = {}
  try:
    # Pickled objects in the file would run code when read.
    with np.load(path, allow_pickle=False) as archive:
      about = json.loads(str(archive["about"]))
      for name in archive.files:
        layer, _, index = name.rpartition(":")
        if layer:
          weights.setdefault(layer, []).append(archive[f"{layer}:{len(weights.get(layer, []))}"])
    keys = ("input_range", "ending", "output_activation", "dropped", "is_new_classifier", "digests")
    missing = [key for key in keys if key not in about]
    if missing:
      raise ValueError(f"it does not say its {missing[0]}")
  except Exception as error:  # zipfile, zlib, JSON and NumPy raise a dozen kinds
    raise ValueError(f"{path} is damaged: {error}; delete it to read the network anew.") from None
  return weights, about
