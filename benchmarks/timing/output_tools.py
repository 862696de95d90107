"""The programs that run a file on given images and write its outputs, by the build that times it.

TensorFlow Lite's `benchmark_model` does it itself (--input_layer_value_files, --output_filepath;
see its README). LiteRT's does not; `run_model`, of the same builds, does (--input_dir and
--output_dir; see litert/tools/run_model.cc and tensor_utils.cc), and needs LiteRT's library beside
it. Builds that have neither flag cannot give outputs, and say so.
"""

from __future__ import annotations

import abc
import dataclasses
import pathlib
import re
from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing import refusals
from nadv2_tf.benchmarks.timing.builds import LITERT, knows
from nadv2_tf.benchmarks.timing.delegates import check_delegate
from nadv2_tf.benchmarks.timing.errors import BinaryError, NothingMeasured, TimingError
from nadv2_tf.benchmarks.timing.placement import printed_placement

if TYPE_CHECKING:
  from nadv2_tf.benchmarks.timing.builds import Build
  from nadv2_tf.options import TimingSettings
  from nadv2_tf.types import AnyPath

#: folders, where the program runs, with its input and its output
GIVEN, GIVES = "given", "gives"
RUN_MODEL = "run_model"
#: what run_model loads; the second is for the GPU
LIBRARIES = ("libLiteRt.so", "libLiteRtClGlAccelerator.so")
#: {} are --benchmark_flags
WITHOUT_FLAGS = "run_model has other flags than benchmark_model: outputs are those without {}"
#: bytes of an output of one image
LARGEST_OUTPUT = 256 * 2**20
_NAME = re.compile(r"[\w.:;-]{1,200}")


@dataclasses.dataclass(frozen=True)
class Tensors:
  """What a program needs to know of a file's input and output.

  Attributes:
    input_name, output_name: of the file's signature, or of the tensors where it has none.
    input_shape: of one image, with the batch of 1.
    output_bytes: of one image.
  """

  input_name: str
  output_name: str
  input_shape: tuple[int, ...]
  output_bytes: int

  def __post_init__(self) -> None:
    for name in (self.input_name, self.output_name):
      if not _NAME.fullmatch(name):  # it becomes the name of a file
        raise NothingMeasured(
          f"The file calls an input or output {name[:80]!r}, which no program can be given: export "
          "it with another name."
        )


class OutputTool(abc.ABC):
  """A program that gives outputs; it runs beside GIVEN and GIVES. `program` names its file."""

  program: str

  @abc.abstractmethod
  def flags(
    self, model: str, tensors: Tensors, settings: TimingSettings, libraries: str = "."
  ) -> list[str]:
    """Its arguments.

    Args:
      model: path of the file where it runs.
      tensors: of the file.
      settings: `TimingSettings`.
      libraries: the folder with an NPU's libraries where it runs.
    """

  @abc.abstractmethod
  def files(self, tensors: Tensors) -> tuple[str, str]:
    """Paths of the input that it reads, and of the output that it writes."""

  def checked(self, text: str, status: int, line: str, settings: TimingSettings) -> tuple[str, ...]:
    """As `check`; errors show the command and its output."""
    try:
      return self.check(text, status, settings)
    except TimingError as error:
      raise type(error)(error.problem, line, text) from None

  @abc.abstractmethod
  def check(self, text: str, status: int, settings: TimingSettings) -> tuple[str, ...]:
    """Raises TimingError if it failed, or ran elsewhere; else tuple of notes."""


class BenchmarkModel(OutputTool):
  """TensorFlow Lite's `benchmark_model`, for one run."""

  program = "benchmark_model"

  def __init__(self, build: Build) -> None:
    self._build = build

  def flags(
    self, model: str, tensors: Tensors, settings: TimingSettings, libraries: str = "."
  ) -> list[str]:
    given, gives = self.files(tensors)
    return [
      f"--graph={model}",
      f"--num_threads={settings.num_threads}",
      *("--num_runs=1", "--warmup_runs=0", "--min_secs=0", "--warmup_min_secs=0"),
      *self._build.delegate_flags(settings),
      *self._build.further_flags(settings, None),
      # Its name does not have to be the file's.
      "--input_layer=input",
      f"--input_layer_shape={','.join(map(str, tensors.input_shape))}",
      f"--input_layer_value_files=input:{given}",
      f"--output_filepath={gives}",
    ]

  def files(self, tensors: Tensors) -> tuple[str, str]:
    return f"{GIVEN}/input.raw", f"{GIVES}/output.raw"

  def check(self, text: str, status: int, settings: TimingSettings) -> tuple[str, ...]:
    notes = refusals.check(text, status, settings.delegate)
    placement, is_full = printed_placement(text), settings.require_full_delegation
    return notes + check_delegate(text, settings.delegate, placement, is_full)


class RunModel(OutputTool):
  """LiteRT's `run_model`."""

  program = RUN_MODEL

  def flags(
    self, model: str, tensors: Tensors, settings: TimingSettings, libraries: str = "."
  ) -> list[str]:
    accelerators = [settings.delegate]
    if settings.delegate != "cpu" and not settings.require_full_delegation:
      accelerators.append("cpu")
    return [
      f"--graph={model}",
      f"--accelerator={','.join(accelerators)}",
      f"--input_dir={GIVEN}",
      f"--output_dir={GIVES}",
      "--iterations=1",
      *(f"--{kind}_library_dir={libraries}" for kind in ("dispatch", "compiler_plugin")),
    ]

  def files(self, tensors: Tensors) -> tuple[str, str]:
    return f"{GIVEN}/{tensors.input_name}.raw", f"{GIVES}/{tensors.output_name}.raw"

  def check(self, text: str, status: int, settings: TimingSettings) -> tuple[str, ...]:
    if status:
      raise NothingMeasured(
        f"run_model failed with exit status {status}: look at its output, or run it by hand."
      )
    notes = [WITHOUT_FLAGS.format(settings.benchmark_flags)] if settings.benchmark_flags else []
    placement, is_full = printed_placement(text), settings.require_full_delegation
    if placement is None and (is_full or settings.delegate != "cpu"):
      # It was allowed to leave everything to the processor, which vouches for no other delegate.
      raise NothingMeasured(
        "run_model does not say what ran where, so that nobody can tell whether these outputs are "
        f"those of the delegate {settings.delegate}: leave --check_outputs out, or give a build "
        "that says it with --benchmark_binary=FILE."
      )
    if placement is None:
      return (*notes, "run_model does not say what ran where")
    return (*notes, *check_delegate(text, settings.delegate, placement, is_full))


def tool_of(build: Build, binary: AnyPath, run_model: AnyPath | None) -> OutputTool:
  """The `OutputTool` that goes with a `benchmark_model`.

  Args:
    build: of it.
    binary: it.
    run_model: of LiteRT's builds, None if there is none.

  Raises:
    BinaryError: if the build cannot give outputs.
  """
  if build.name == LITERT.name:
    if run_model is None:
      raise BinaryError(
        f"LiteRT's benchmark_model gives no outputs, and there is no {RUN_MODEL} of the same build "
        f"beside {binary}: put it there, with {' and '.join(LIBRARIES)}."
      )
    if not knows(run_model, "output_dir") or not knows(run_model, "input_dir"):
      raise BinaryError(
        f"The {RUN_MODEL} of this build of LiteRT cannot write its outputs (it has no "
        f"--output_dir): outputs cannot be checked with it. Give a newer one beside {binary}."
      )
    return RunModel()
  if not knows(binary, "output_filepath") or not knows(binary, "input_layer_value_files"):
    raise BinaryError(
      "This build of benchmark_model cannot write its outputs (it has no --output_filepath): "
      "outputs cannot be checked with it. Give a newer one with --benchmark_binary=FILE."
    )
  return BenchmarkModel(build)


def beside(binary: AnyPath) -> dict[str, pathlib.Path]:
  """{name: path} of LiteRT's run_model and its libraries in the folder of a `benchmark_model`.

  {} without a run_model.
  """
  folder = pathlib.Path(binary).parent
  found = {name: folder / name for name in (RUN_MODEL, *LIBRARIES) if (folder / name).is_file()}
  return found if RUN_MODEL in found else {}
