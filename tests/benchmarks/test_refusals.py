"""What stands in the output of `benchmark_model` where nothing was measured: each its own error."""

import pytest
from benchmark_output import RECORDED, read

from nadv2_tf.benchmarks.timing import errors

# A measurement that says nothing of delegates; the lines of failures are put before or after it.
MEASURED = (RECORDED / "ok_noxnn.stdout").read_text().replace("INFO: Use xnnpack: [0]\n", "")
VALUE_MS = 3.146
CREATED = "Created TensorFlow Lite XNNPACK delegate for CPU."


def test_nothing_said_is_nothing_refused():
  assert read(MEASURED).value_ms == VALUE_MS


def test_a_dry_run_is_refused():
  with pytest.raises(errors.NothingMeasured, match="dry run"):
    read("INFO: Run w/o invoking kernels: [1]\n" + MEASURED)


@pytest.mark.parametrize("exit_status", [1, 2, 125, 134, 139, 255, -6, -11])
def test_an_exit_status_other_than_0_is_refused_whatever_was_printed(exit_status):
  with pytest.raises(errors.NothingMeasured, match=str(exit_status)):
    read(MEASURED, exit_status=exit_status)


@pytest.mark.parametrize("exit_status", [0, 1])
def test_benchmarking_failed_is_refused_even_where_the_exit_status_is_lost(exit_status):
  with pytest.raises(errors.NothingMeasured):
    read(MEASURED, "ERROR: Benchmarking failed.\n", exit_status)


@pytest.mark.parametrize("exit_status", [124, 137, 143, -9, -15])
def test_a_run_that_was_ended_is_out_of_time(exit_status):
  with pytest.raises(errors.TimedOut, match="more time"):
    read(MEASURED, "ERROR: Failed to load model x", exit_status)


@pytest.mark.parametrize(
  ("text", "exit_status", "kind"),
  [
    ("Segmentation fault", 139, errors.NothingMeasured),
    ("Segmentation fault (core dumped)", 0, errors.NothingMeasured),
    ("bash: line 1: 12 Aborted                 (core dumped) ./b", 134, errors.NothingMeasured),
    ("Aborted ", 0, errors.NothingMeasured),
    ("Illegal instruction", 132, errors.BinaryError),
    ("", 132, errors.BinaryError),
    ("", -4, errors.BinaryError),
  ],
)
def test_a_crash_is_refused(text, exit_status, kind):
  with pytest.raises(kind) as raised:
    read(MEASURED, text, exit_status)
  assert type(raised.value) is kind


def test_a_file_named_like_a_crash_is_read():
  assert read(MEASURED.replace("mb.tflite", "Aborted.tflite")).value_ms == VALUE_MS


# --- failures of the model, the flags and the tool itself ----------------------------------------


@pytest.mark.parametrize(
  ("text", "kind", "says"),
  [
    (
      "ERROR: Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version "
      "of this builtin might be supported. Are you using an old TFLite binary with a newer "
      "model?\n",
      errors.ModelError,
      "'FULLY_CONNECTED' version '12'",
    ),
    (
      "Didn't find op for builtin opcode 'CONV_2D' version '6'\n\nRegistration failed.",
      errors.ModelError,
      "'CONV_2D' version '6':",
    ),
    (
      "Op builtin_code out of range: 150. Are you using old TFLite binary with newer model?",
      errors.ModelError,
      "150",
    ),
    (
      "Regular TensorFlow ops are not supported by this interpreter. Make sure you apply/link the "
      "Flex delegate before inference.\nERROR: Node number 3 (FlexErf) failed to prepare.",
      errors.ModelError,
      "Flex",
    ),
    (
      "Select TensorFlow op(s), included in the given model, is(are) not supported by this "
      "interpreter.",
      errors.ModelError,
      "Flex",
    ),
    ("Node number 3 (CONV_2D) failed to prepare.", errors.ModelError, "CONV_2D"),
    ("ERROR: Failed to allocate tensors!", errors.ModelError, "cannot prepare"),
    ("ERROR: Failed to mmap model net.tflite", errors.ModelError, "cannot be loaded"),
    ("ERROR: Failed to compile model.", errors.ModelError, "cannot be loaded"),
    ("ERROR: Node number 3 (CONV_2D) failed to invoke.", errors.NothingMeasured, "fails while"),
    ("Couldn't interpret value abc for flag num_runs.", errors.FlagError, "abc for flag num_runs"),
    ("ERROR: Failed to apply GPU delegate.", errors.NothingMeasured, "GPU"),
    (
      "ERROR: Node number 3 (TfLiteGpuDelegateV2) failed to prepare.\n"
      "ERROR: Failed to apply GPU delegate.",
      errors.NothingMeasured,
      "GPU",
    ),
    (
      "ERROR: Encountered unresolved custom op: Foo Bar.\nERROR: Failed to apply XNNPACK delegate.",
      errors.ModelError,
      "Foo Bar,",
    ),
    ("WARN: GPU acceleration is unsupported on this platform.", errors.NothingMeasured, "GPU"),
    ("WARN: NNAPI delegate is not supported on Android 8.", errors.NothingMeasured, "NNAPI"),
    ("WARN: Could not create Hexagon delegate: no DSP", errors.NothingMeasured, "no DSP"),
  ],
)
@pytest.mark.parametrize("exit_status", [0, 1])
def test_what_the_tool_says_of_a_failure_is_told(text, kind, says, exit_status):
  with pytest.raises(errors.TimingError) as raised:
    read(MEASURED, text, exit_status)
  assert type(raised.value) is kind
  assert says in raised.value.problem


@pytest.mark.parametrize(
  "text",
  [
    "WARN: Failed to get the input model file size.",
    "WARNING: [compiled_model.cc:240] Failed to apply compiler plugins: No compiler plugin found",
    "Following operations are not supported by GPU delegate:\nSQUEEZE: not supported.",
    "WARNING: linker: libfoo.so: Permission denied",
    "ERROR: Can not open OpenCL library: dlopen failed: library not found",
  ],
)
def test_a_warning_that_changes_nothing_is_no_failure(text):
  assert read(MEASURED, text).value_ms == VALUE_MS


@pytest.mark.parametrize(
  ("text", "exit_status", "kind", "says"),
  [
    ("sh: ./b: not executable: 64-bit ELF file", 126, errors.BinaryError, "ABI"),
    ("sh: ./b: not executable: 64-bit ELF file", 1, errors.BinaryError, "ABI"),
    ("bash: ./b: cannot execute binary file: Exec format error", 126, errors.BinaryError, "ABI"),
    ("./b[1]: syntax error: unexpected ')'", 1, errors.BinaryError, "ABI"),
    ('error: "./b" has unexpected e_machine: 62 (EM_X86_64)', 1, errors.BinaryError, "ABI"),
    ("sh: ./b: inaccessible or not found", 127, errors.BinaryError, "put it there again"),
    ("sh: ./b: inaccessible or not found", 0, errors.BinaryError, "put it there again"),
    ("bash: ./b: No such file or directory", 127, errors.BinaryError, "put it there again"),
    ("sh: ./b: can't execute: Permission denied", 126, errors.BinaryError, "chmod 755"),
    (
      'CANNOT LINK EXECUTABLE "./b": library "libc++_shared.so" not found',
      1,
      errors.BinaryError,
      "library",
    ),
    (
      "./b: error while loading shared libraries: libfoo.so: cannot open shared object file: No "
      "such file or directory",
      127,
      errors.BinaryError,
      "library",
    ),
    ("./b: /lib/libc.so.6: version `GLIBC_2.38' not found", 1, errors.BinaryError, "library"),
    ("", 126, errors.BinaryError, "126"),
    ("", 127, errors.BinaryError, "127"),
    ("sh: taskset: inaccessible or not found", 127, errors.DeviceError, "no taskset"),
    ("taskset: bad mask 'f0'", 1, errors.DeviceError, "bad mask 'f0'"),
    ("taskset: failed to execute ./b: Permission denied", 126, errors.BinaryError, "chmod 755"),
  ],
)
def test_a_tool_that_does_not_start_is_told(text, exit_status, kind, says):
  with pytest.raises(errors.TimingError) as raised:
    read("", text, exit_status)
  assert type(raised.value) is kind
  assert says in raised.value.problem


# --- flags and delegates ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["WARN: ", "", "WARNING: [a.cc:7] ", "W tflite  : "])
@pytest.mark.parametrize("delegate", [None, "xnnpack", "none", "gpu"])
def test_flags_that_the_build_ignores_are_named(prefix, delegate):
  line = f"{prefix}Unconsumed cmdline flags: --use_gpu=true --foo=1\n"
  said = "Explicitly applied GPU delegate, and the model graph will be completely executed"
  for streams in ((line + f"{said}\n{MEASURED}", ""), (f"{said}\n{MEASURED}", line)):
    with pytest.raises(errors.FlagError, match="--use_gpu=true --foo=1"):
      read(*streams, delegate=delegate)


def test_a_build_without_the_flag_for_xnnpack_may_prove_that_it_takes_it_by_itself():
  unknown = "WARN: Unconsumed cmdline flags: --use_xnnpack=true\n"
  proof = f"INFO: {CREATED}\n"
  reading = read(unknown + MEASURED, proof, delegate="xnnpack")
  assert reading.value_ms == VALUE_MS
  assert "--use_xnnpack" in reading.notes[0]
  for delegate, stdout, stderr in [
    ("xnnpack", unknown, ""),
    ("gpu", unknown, proof),
    (None, unknown, proof),
    ("none", unknown.replace("true", "false"), ""),
    ("xnnpack", unknown.replace("\n", " --num_threads=4\n"), proof),
  ]:
    with pytest.raises(errors.FlagError, match="--use_xnnpack"):
      read(stdout + MEASURED, stderr, delegate=delegate)


def applied(name, how="completely executed by the delegate."):
  return f"Explicitly applied {name} delegate, and the model graph will be {how}"


IDLE = (
  "Though {} delegate is explicitly applied, the model graph will not be executed by the delegate."
)
DEPRECATED = "Android 15 has deprecated NNAPI: --delegate=npu is what follows it"
PARTLY = "partially executed by the delegate w/ 3 delegate kernels."


@pytest.mark.parametrize(
  ("delegate", "said", "notes"),
  [
    (None, "", ()),
    (None, applied("GPU"), ()),
    ("none", "Use xnnpack: [0]", ()),
    ("xnnpack", applied("XNNPACK"), ()),
    ("xnnpack", CREATED, ()),
    (
      "xnnpack",
      applied("XNNPACK", PARTLY),
      ("XNNPACK executes only a part of the model, in 3 parts",),
    ),
    ("xnnpack", IDLE.format("XNNPACK"), ("XNNPACK executes no part of the model",)),
    ("xnnpack", "", ("the build does not say that XNNPACK was used",)),
    ("gpu", applied("GPU"), ()),
    ("gpu", f"{applied('GPU')}\n{CREATED}", ()),
    ("gpu", "Applied GPU delegate.", ()),
    (
      "gpu",
      "Applied GPU delegate, and the model graph will be completely executed w/ the delegate.",
      (),
    ),
    ("gpu", applied("GPU", PARTLY), ("GPU executes only a part of the model, in 3 parts",)),
    (
      "gpu",
      "Applied GPU delegate, and the model graph will be paritally executed w/ the delegate.",
      ("GPU executes only a part of the model",),
    ),
    ("nnapi", applied("NNAPI"), (DEPRECATED,)),
  ],
)
def test_the_delegate_that_was_asked_for_is_proved_or_doubted(delegate, said, notes):
  reading = read(f"{said}\n{MEASURED}", delegate=delegate)
  assert reading.value_ms == VALUE_MS
  assert reading.notes == notes


@pytest.mark.parametrize(
  ("delegate", "said"),
  [
    ("gpu", ""),
    ("gpu", "Use gpu: [1]\nCreated TensorFlow Lite delegate for GPU.\nGPU delegate created."),
    ("gpu", IDLE.format("GPU")),
    ("gpu", CREATED),
    ("gpu", applied("XNNPACK")),
    ("nnapi", "Use nnapi : [1]"),
    ("nnapi", IDLE.format("NNAPI")),
    ("nnapi", applied("GPU")),
    ("none", applied("XNNPACK")),
    ("none", applied("XNNPACK", PARTLY)),
    ("none", CREATED),
    ("none", applied("GPU")),
    ("xnnpack", applied("GPU")),
    ("xnnpack", IDLE.format("GPU")),
    ("xnnpack", "Use xnnpack: [0]"),
    ("xnnpack", "Use xnnpack : [0]"),
  ],
)
def test_a_run_with_another_delegate_is_refused(delegate, said):
  with pytest.raises(errors.NothingMeasured, match="delegate|XNNPACK"):
    read(f"{said}\n{MEASURED}", delegate=delegate)


def test_an_unknown_delegate_is_the_callers_mistake():
  with pytest.raises(ValueError, match="cpu, gpu, npu, none, nnapi; got 'dsp'"):
    read(MEASURED, delegate="dsp")
