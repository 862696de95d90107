"""The outputs of a file that runs on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nadv2_tf.benchmarks.timing.devices.phone_folder import LOAD_FROM_HERE
from nadv2_tf.benchmarks.timing.output_tools import GIVES, LARGEST_OUTPUT

if TYPE_CHECKING:
  from collections.abc import Callable, Sequence

  from nadv2_tf.benchmarks.timing.devices.adb_client import Output
  from nadv2_tf.benchmarks.timing.devices.phone_folder import PhoneFolder
  from nadv2_tf.benchmarks.timing.output_tools import OutputTool, Tensors
  from nadv2_tf.options import TimingSettings


def taken_from(
  folder: PhoneFolder,
  tool: OutputTool,
  model: str,
  execute: Callable[[str, str, Sequence[str], TimingSettings], tuple[Output, str]],
  inputs: Sequence[bytes],
  tensors: Tensors,
  settings: TimingSettings,
) -> tuple[list[bytes], tuple[str, ...]]:
  """(bytes of the output for each of `inputs`, notes).

  Args:
    folder: the phone's, with the file and the tool in it.
    tool: the `OutputTool`.
    model: path of the file in the folder.
    execute: function (model, what the shell does first, program, settings) -> (its `Output`, the
      command) that runs a program in the folder.
    inputs: bytes of each image.
    tensors: of the file.
    settings: `TimingSettings`.

  Raises:
    TimingError: if the tool fails, or writes no output.
  """
  outputs: list[bytes] = []
  notes: list[str] = []
  program = [f"./{tool.program}", *tool.flags(model, tensors, settings)]
  given, gives = tool.files(tensors)
  for content in inputs:
    folder.give(given, content, GIVES)
    done, line = execute(model, LOAD_FROM_HERE, program, settings)
    notes += tool.checked(done.stdout + done.stderr, done.exit_status, line, settings)
    outputs.append(folder.take(gives, LARGEST_OUTPUT))
  return outputs, tuple(dict.fromkeys(notes))
