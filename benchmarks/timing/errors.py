"""What can go wrong when a file is timed. Where one of these is raised there is no number."""


class TimingError(RuntimeError):
  """A timing that failed.

  Args:
    problem: what is wrong, and what the user can do about it.
    command: the command that failed, as one line; None where none was run.
    output: what it printed; the message quotes its tail.
  """

  TAIL_LINES = 5

  def __init__(self, problem: str, command: str | None = None, output: str = "") -> None:
    self.problem = problem
    self.command = command
    lines = [problem]
    if command:
      lines.append(f"  command: {command}")
    tail = [line for line in output.splitlines() if line.strip()][-self.TAIL_LINES :]
    if tail:
      lines.append("  its output ends with:")
      lines += [f"    {line}" for line in tail]
    super().__init__("\n".join(lines))


class ModelError(TimingError):
  """The TFLite file is missing, damaged, or has an operator that the build lacks."""


class FlagError(TimingError):
  """The build of `benchmark_model` does not know a flag, or refuses its value."""


class NothingMeasured(TimingError):
  """The tool ran, but what it printed is no measurement of what was asked for."""


class WrongOutputs(TimingError):
  """The device computes something else than LiteRT does here."""


class BinaryError(TimingError):
  """`benchmark_model` is missing, cannot be fetched, or does not run on the device."""


class DeviceError(TimingError):
  """There is no such device, more than one, or it does not let itself be used."""


class DeviceLost(DeviceError):
  """The device went away in the middle."""


class DeviceFull(DeviceError):
  """The device has no room for the files."""


class TimedOut(TimingError):
  """The tool did not end within its time; it was ended on the device."""


class Hot(TimingError):
  """The device stayed hot, or its clock throttled, for longer than it was waited for."""


class TableError(TimingError):
  """A latency table that its own check finds wrong, however often it was measured."""


class Unsteady(TimingError):
  """The repeats lie further apart than was allowed."""
