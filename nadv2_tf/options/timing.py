"""On what networks are timed, and how one file is timed."""

import dataclasses
import re
import shlex

from nadv2_tf.option import OptionGroup, option

DELEGATES = ("cpu", "gpu", "npu", "none", "nnapi")
#: what delegates were called before -> now
OLD_DELEGATES = {"xnnpack": "cpu"}
ON_UNSTEADY = ("mark", "fail")
HOST_RUNNERS = ("interpreter", "litert")
PRECISIONS = ("float32", "int8")
#: flags of benchmark_model that other options set, or that its readers count on
OWN_FLAGS = (
  "graph", "num_threads", "num_runs", "warmup_runs", "min_secs", "warmup_min_secs", "max_secs",
  "use_cpu", "use_gpu", "use_npu", "use_xnnpack", "use_nnapi", "require_full_delegation",
  "result_file_path", "model_runtime_info_output_file", "export_model_runtime_info",
)  # fmt: skip
#: how a --device begins that is a file
FILES = ("table:", "predictor:")


def _check_mask(mask: str) -> None:
  is_number = re.fullmatch(r"(0x)?[0-9a-fA-F]{1,32}", mask)
  if not is_number or int(mask, 16) == 0:
    raise ValueError(f"must be a hexadecimal mask such as f0, got {mask!r}.")


def _check_flags(text: str) -> None:
  for flag in flags_of(text):
    name = flag.lstrip("-").partition("=")[0]
    if not re.fullmatch(r"--\w+(=.*)?", flag, re.DOTALL):
      raise ValueError(f"must be flags such as --gpu_backend=opengl, got {flag!r}.")
    if name in OWN_FLAGS:
      raise ValueError(f"must not have --{name}, which other options say.")


def flags_of(text: str) -> list[str]:
  """The flags that --benchmark_flags names. Raises ValueError for a quote that is not closed."""
  try:
    return shlex.split(text)
  except ValueError as error:
    raise ValueError(f"must be flags with spaces between ({error}), got {text!r}.") from None


def flags_text(text: str) -> str:
  """--benchmark_flags as the head of a latency table has them; "-" for none."""
  return " ".join(flags_of(text)) or "-"


def device_names(text: str) -> tuple[str, ...]:
  """The devices that --device names, with commas between; the first leads a search.

  Raises:
    ValueError: if one is named twice, or a file among others.
  """
  if text.startswith(FILES):
    return (text,)
  names = tuple(name.strip() for name in text.split(","))
  if len(set(names)) < len(names) or any(name.startswith(FILES) for name in names):
    raise ValueError(
      "--device must name each device once, and a table:FILE or predictor:FILE alone, got "
      f"{text!r}."
    )
  return names


def num_threads() -> int:
  return option(1, "Threads of the timed interpreter.", low=1)


def cpu_mask() -> str | None:
  return option(
    None,
    "Hexadecimal mask of the processors to time on, such as f0; default: all.",
    check=_check_mask,
  )


def delegate() -> str:
  return option(
    "cpu",
    "What runs the timed networks: the processor with XNNPACK, which TFLite takes by itself; the "
    "GPU; the NPU, with its maker's libraries; none, TFLite's own kernels; nnapi, which Android 15 "
    "has deprecated. xnnpack is the old name of cpu.",
    choices=(*DELEGATES, *OLD_DELEGATES),
  )


def require_full_delegation() -> bool:
  return option(False, "Fail where the delegate leaves nodes of a timed network to the processor.")


def benchmark_flags() -> str:
  return option(
    "",
    "Further flags of benchmark_model, with spaces between, as its own documentation has them, "
    "such as '--gpu_backend=opengl --allow_fp16=false'.",
    check=_check_flags,
  )


def npu_libraries() -> str | None:
  return option(
    None,
    "Of --delegate=npu: a folder with its maker's libraries for LiteRT (dispatch library, compiler "
    "plugin, and what they load), which lie beside benchmark_model on the device while it times.",
  )


def rename_delegate(group: object) -> None:
  """Gives the delegate of an option group the name that it has now."""
  name = vars(group)["delegate"]
  object.__setattr__(group, "delegate", OLD_DELEGATES.get(name, name))


def max_spread() -> float:
  return option(
    0.1,
    "Repeats that lie further apart, as a share of their median, are taken again; and all of a "
    "batch, if the reference network that it begins and ends with does, or on this machine is so "
    "much slower than it was before in the same command.",
    low=0,
    is_how=True,
  )


def attempts() -> int:
  return option(
    3,
    "How often all repeats of a file are taken at most, and how often a latency table is measured "
    "that its own check finds wrong.",
    low=1,
    is_how=True,
  )


@dataclasses.dataclass(frozen=True)
class DeviceOptions(OptionGroup):
  """Where latency is measured."""

  device: str = option(
    "host",
    "Where latency is measured: host (this machine), adb or adb:SERIAL (a phone over the Android "
    "Debug Bridge); in a search also table:FILE (a latency table) or predictor:FILE (a latency "
    "predictor), which need no device; in a search and in nadv2-time also several devices, such as "
    "adb:A,adb:B: the found network meets the target on all, a file is timed on one after another.",
  )
  benchmark_binary: str | None = option(
    None,
    "A benchmark_model for the device, of LiteRT or of TensorFlow Lite; default: LiteRT's "
    "interpreter on this machine, the official build for a phone.",
  )
  benchmark_url: str | None = option(
    None,
    "Where a phone's benchmark_model is fetched from, once: an address, litert:VERSION, or "
    "tensorflow for TensorFlow Lite's older one; default: LiteRT's official build for its ABI, "
    "where there is one.",
  )
  host_runner: str = option(
    "interpreter",
    "What times files on this machine without a benchmark_binary: LiteRT's interpreter in a "
    "process of its own, or litert, the litert-benchmark that ai-edge-litert ships.",
    choices=HOST_RUNNERS,
  )


@dataclasses.dataclass(frozen=True)
class TimingSettings(OptionGroup):
  """How a file is timed. The files take turns, so that what disturbs one disturbs all."""

  num_threads: int = num_threads()
  cpu_mask: str | None = cpu_mask()
  delegate: str = delegate()
  require_full_delegation: bool = require_full_delegation()
  benchmark_flags: str = benchmark_flags()
  npu_libraries: str | None = npu_libraries()
  runs: int = option(50, "Counted runs of one repeat, at least.", low=1)
  warmup_runs: int = option(10, "Runs before each repeat that do not count, at least.", low=0)
  seconds: float = option(0.2, "Least time of a repeat's counted runs.", low=0)
  warmup_seconds: float = option(0.1, "Least time of the runs that do not count.", low=0)
  repeats: int = option(
    3,
    "Repeats of a file; their median is reported, and of undisturbed ones on this machine the "
    "smallest.",
    low=1,
  )
  max_spread: float = max_spread()
  attempts: int = attempts()
  on_unsteady: str = option(
    "mark", "What becomes of a timing that stays unsteady.", choices=ON_UNSTEADY
  )
  cooldown: float = option(0.0, "Seconds of rest before each repeat on a phone.", low=0)
  hot_wait: float = option(300.0, "Seconds to wait at most for a hot phone to cool down.", low=0)
  timeout: float = option(
    120.0, "Seconds after which a repeat is ended, on the device itself.", low=1
  )
  #: of files that are built to be timed, one of `PRECISIONS`: no flag, a file that is there has one
  precision: str = "float32"
  #: whether the repeats are parts of one continuous use, during which a phone may become hot
  is_sustained: bool = False

  def __post_init__(self) -> None:
    super().__post_init__()
    rename_delegate(self)
    if self.require_full_delegation and self.delegate == "none":
      raise ValueError("--require_full_delegation needs a delegate, and --delegate is none.")
    if self.npu_libraries and self.delegate != "npu":
      raise ValueError(
        f"--npu_libraries={self.npu_libraries} is for --delegate=npu, and --delegate is "
        f"{self.delegate}."
      )
    if self.precision not in PRECISIONS:
      raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}; got {self.precision!r}.")


def built_as(settings: TimingSettings) -> dict[str, str]:
  """How files are built that are timed with `settings`: the builders' arguments besides float32."""
  return {} if settings.precision == "float32" else {"precision": settings.precision}
