"""One export from beginning to end: convert, compare with Keras, describe, write."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from nadv2_tf.export import inspection, metadata, mixed, parity
from nadv2_tf.export.block_losses import block_losses
from nadv2_tf.export.mixed_files import MixedFiles
from nadv2_tf.export.quantization import Quantization, convert, layer_errors
from nadv2_tf.export.tflite import concrete_function, predictor, write_atomically
from nadv2_tf.options.export import INTEGER_QUANTIZATIONS, MIXED
from nadv2_tf.tasks import chance
from nadv2_tf.training.image_network import as_input

if TYPE_CHECKING:
  from collections.abc import Callable, Mapping, Sequence

  import keras
  from tensorflow.types.experimental import ConcreteFunction

  from nadv2_tf.options import ExportOptions
  from nadv2_tf.spec import NetworkSpec
  from nadv2_tf.tasks.examples import Examples
  from nadv2_tf.tasks.stream import StreamedExamples
  from nadv2_tf.types import AnyPath


@dataclasses.dataclass(frozen=True)
class Evidence:
  """The images that a file is made and judged with.

  Attributes:
    images: float32 [images, height, width, channels] that the gate compares on; never test images
      that a result is reported on.
    quality: function outputs -> accuracy in [0, 1] on them; None without targets.
    train: training `Examples`, for calibration and quantization-aware training; None without.
    mirror: whether quantization-aware training mirrors half of them.
    chance: the quality of outputs that are the same for every image; None without targets.
    loss: function outputs -> mean loss on them, as of training; None without targets.
  """

  images: np.ndarray
  quality: Callable[[np.ndarray], float] | None = None
  train: Examples | StreamedExamples | None = None
  mirror: bool = True
  chance: float | None = None
  loss: Callable[[np.ndarray], float] | None = None


def random_evidence(network: keras.Model) -> Evidence:
  """`Evidence` where there is no data: noise from -1 to 1, of outputs alone."""
  shape = (64, *network.inputs[0].shape[1:])
  noise = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
  return Evidence(noise)


def export(
  network: keras.Model,
  path: AnyPath,
  options: ExportOptions,
  evidence: Evidence,
  description: metadata.Description | None,
  spec: NetworkSpec | None = None,
  report: Callable[[int, int, float], None] | None = None,
  written: keras.Model | None = None,
) -> dict[str, Any]:
  """Writes a network as TFLite, if the file gives what the network gives.

  Args:
    network: plain Keras model on the TensorFlow backend.
    path: of the file; it is written after the gate only.
    options: `ExportOptions`.
    evidence: `Evidence`.
    description: `metadata.Description`; None writes no metadata.
    spec: the network's `NetworkSpec`; needed by int8_qat and by a latency of mixed files.
    report: called with (step, steps, loss) of quantization-aware training, or with (blocks done,
      blocks, loss) of mixed files, whose losses stand in NAME.blocks.json beside the file.
    written: another form of the network, which float files are made of; the gate compares them with
      the network all the same. None: the network.

  Returns:
    A dictionary for JSON: the gate's figures, operators, what falls back, size and memory.

  Raises:
    ParityError: if the gate is shut; nothing is written then.
    ValueError: if the options need data or a spec that there is none of.
  """
  is_calibrated = options.quantization in (*INTEGER_QUANTIZATIONS, MIXED)
  function = concrete_function(network if written is None or is_calibrated else written)
  calibration, finish, chosen = None, _finish(description), None
  if evidence.train is not None and is_calibrated:
    calibration = _calibration(evidence.train, options, network.inputs[0].dtype)
  if options.quantization == MIXED:
    chosen = _mixed(
      function, pathlib.Path(path), options, calibration, evidence, spec, report, finish
    )
    content, worst = chosen.content, []
  else:
    content, worst = _converted(network, function, options, calibration, evidence, spec, report)
  predict = lambda images: _predict(network, images)  # noqa: E731
  checked = parity.check(
    predict,
    content,
    lambda: convert(function),
    evidence.images[: parity.IMAGES],
    options.quantization,
    options.max_accuracy_drop,
    evidence.quality,
  )
  facts = inspection.inspect(content)
  content = finish(content)
  write_atomically(path, content)
  record: dict[str, Any] = {"quantization": options.quantization, **vars(checked)}
  record |= {"accuracy_lost": checked.accuracy_lost, **vars(facts), "size_bytes": len(content)}
  record["chance"] = evidence.chance
  if chosen:
    record["mixed"] = chosen.record
  if worst:
    record["layer_errors"] = [
      {"layer": parity.short_name(layer.tensor), "relative_error": layer.relative_error}
      for layer in worst[:10]
    ]
    record["float_layers"] = [
      parity.short_name(layer.tensor) for layer in worst[: options.float_layers]
    ]
  return record


def _finish(description: metadata.Description | None) -> Callable[[bytes], bytes]:
  """Function of a file -> what is written of it."""
  if description is None:
    return lambda content: content
  return lambda content: metadata.described(content, description)


def _mixed(
  function: ConcreteFunction,
  path: pathlib.Path,
  options: ExportOptions,
  calibration: np.ndarray | None,
  evidence: Evidence,
  spec: NetworkSpec | None,
  report: Callable[[int, int, float], None] | None,
  finish: Callable[[bytes], bytes],
) -> mixed.MixedFile:
  """The `MixedFile` of --quantization=mixed."""
  if calibration is None or evidence.loss is None:
    raise ValueError(
      f"--quantization={MIXED} needs images and their labels: name them with --data."
    )
  milliseconds = mixed.milliseconds_of(options, spec)
  files = MixedFiles(function, calibration, finish)
  images = evidence.images[: parity.IMAGES]
  kept = path.with_suffix(".blocks.json")
  losses = block_losses(files, images, evidence.loss, calibration.tobytes(), kept, report)
  chosen = mixed.choose(files, losses, options, milliseconds)
  loss = evidence.loss(predictor(chosen.content)(images))
  return dataclasses.replace(chosen, record=chosen.record | {"loss": loss})


def _calibration(
  train: Examples | StreamedExamples, options: ExportOptions, dtype: str
) -> np.ndarray:
  images = as_input(train.take(slice(options.calibration_images)).inputs(), dtype)
  return np.asarray(images)


def _converted(network, function, options, calibration, evidence, spec, report):
  """(the file as bytes, layer errors of int8)."""
  mode = options.quantization
  if mode in INTEGER_QUANTIZATIONS and calibration is None:
    raise ValueError(f"--quantization={mode} needs training images: name them with --data.")
  if mode == "int8_qat":
    from nadv2_tf.export import qat

    if spec is None:
      raise ValueError("--quantization=int8_qat needs the spec of the network beside it (.json).")
    settings = qat.QatOptions(
      options.qat_epochs, learning_rate=options.qat_learning_rate, mirror=evidence.mirror
    )
    model = qat.train(network, spec, evidence.train, calibration, settings, report)
    quantization = Quantization(mode, integer_io=options.integer_io)
    return convert(concrete_function(model), quantization), []
  quantization = Quantization(mode, calibration, integer_io=options.integer_io)
  if mode != "int8":
    return convert(function, quantization), []
  spreads = inspection.spreads(convert(function), calibration[: parity.LAYER_IMAGES])
  plain = dataclasses.replace(quantization, integer_io=False)
  worst = layer_errors(function, plain, spreads)
  left_float = tuple(layer.tensor for layer in worst[: options.float_layers])
  return convert(function, dataclasses.replace(quantization, float_layers=left_float)), worst


def _predict(network: keras.Model, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
  parts = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
  dtype = network.inputs[0].dtype
  return np.concatenate(
    [np.asarray(network(as_input(part, dtype), training=False)) for part in parts]
  )


def sentences(path: AnyPath, record: Mapping[str, Any], quality: str = "accuracy") -> list[str]:
  """What an export found, as lines for people; `quality` is the task's word for accuracy."""
  spread = record["spread"]
  lines = [
    f"{path}: {record['size_bytes']:,} bytes, {record['quantization']}",
    f"  against Keras on {record['images']} images: largest difference "
    f"{record['largest_difference']:.3g}, root mean square {record['rms_difference']:.3g} "
    f"(outputs spread {spread:.3g})"
    + (
      f", top-1 agreement {record['top_1_agreement']:.1%}"
      if record["top_1_agreement"] is not None
      else ""
    ),
  ]
  if record["accuracy_lost"] is not None:
    lines.append(
      f"  {quality} {record['accuracy_keras']:.2%} in Keras, {record['accuracy_file']:.2%} in the "
      f"file: {record['accuracy_lost']:+.2f} points lost"
    )
  reached = (record.get("accuracy_keras"), record.get("chance"), record["images"])
  lines += [f"  {line}" for line in chance.told(*reached, quality)]
  lines.append(f"  operators: {_counts(record['operators'])}")
  lines.append(
    f"  XNNPACK does not take {_counts(record['fallback'])}; {record['partitions']} parts"
    if record["fallback"]
    else "  XNNPACK takes all of them"
  )
  lines.append(f"  activations at their peak: {record['peak_memory_bytes']:,} bytes")
  if record.get("layer_errors"):
    worst = ", ".join(
      f"{row['layer']} {row['relative_error']:.1%}" for row in record["layer_errors"][:5]
    )
    lines.append(f"  layers that int8 hurts most, each by itself: {worst}")
  if record.get("float_layers"):
    lines.append(f"  left in float: {', '.join(record['float_layers'])}")
  if record.get("mixed"):
    lines += _mixed_sentences(record["mixed"])
  return lines


def _mixed_sentences(found: Mapping[str, Any]) -> list[str]:
  added = sorted(found["losses_added"].items(), key=lambda item: -item[1])
  lines = [
    f"  blocks in int8: {_numbers(found['int8_blocks'])}; in float: "
    f"{_numbers(found['float_blocks'])}; {found['conversions']} conversions between them",
    "  what a block adds to the loss in int8, each by itself, the most first: "
    + ", ".join(f"{block}: {value:+.3g}" for block, value in added[:10]),
    f"  loss {found['loss_in_float']:.4g} in float, {found['predicted_loss']:.4g} by the sum, "
    f"{found['loss']:.4g} in the file",
  ]
  lines += [f"  {reason} Block {block} stays float." for block, reason in found["refused"].items()]
  if "predicted_ms" in found:
    lines.append(
      f"  {found['predicted_ms']:.4g} ms by the tables, without the conversions; at most "
      f"{found['most_ms']:.4g} ms"
    )
  if "table_doubt" in found:
    lines.append(f"  {found['table_doubt']}")
  return lines


def _numbers(blocks: Sequence[int]) -> str:
  return ", ".join(map(str, blocks)) or "none"


def _counts(operators: Mapping[str, int]) -> str:
  return ", ".join(f"{count} {name}" for name, count in operators.items())
