"""The command line that `benchmark_model` is started with: by settings, delegate and build."""

import pytest

from nadv2_tf.benchmarks.timing import benchmark_model, builds, errors
from nadv2_tf.options import TimingSettings


def test_the_arguments_are_those_of_the_settings():
  settings = TimingSettings(
    num_threads=4, runs=20, warmup_runs=3, seconds=0.0, warmup_seconds=0.25, cpu_mask="f0"
  )
  assert benchmark_model.arguments("/data/local/tmp/a b.tflite", settings) == [
    "--graph=/data/local/tmp/a b.tflite",
    "--num_threads=4",
    "--num_runs=20",
    "--warmup_runs=3",
    "--min_secs=0",
    "--warmup_min_secs=0.25",
    "--use_xnnpack=true",
  ]


@pytest.mark.parametrize(
  ("build", "delegate", "is_full", "expected"),
  [
    (builds.TFLITE, "cpu", False, ["--use_xnnpack=true"]),
    (builds.TFLITE, "xnnpack", False, ["--use_xnnpack=true"]),
    (builds.TFLITE, "none", False, ["--use_xnnpack=false"]),
    (builds.TFLITE, "gpu", False, ["--use_gpu=true"]),
    (builds.TFLITE, "nnapi", True, ["--use_nnapi=true", "--require_full_delegation=true"]),
    (builds.LITERT, "cpu", True, ["--use_cpu=true"]),  # it refuses both together
    (builds.LITERT, "gpu", False, ["--use_gpu=true"]),
    (
      builds.LITERT,
      "npu",
      True,
      ["--use_npu=true", "--use_cpu=false", "--require_full_delegation=true"],
    ),
  ],
)
def test_every_build_has_its_flags_for_a_delegate(build, delegate, is_full, expected):
  settings = TimingSettings(delegate=delegate, require_full_delegation=is_full)
  assert benchmark_model.arguments("net.tflite", settings, build)[6:] == expected


def test_further_flags_are_passed_on():
  settings = TimingSettings(
    delegate="gpu", benchmark_flags="--gpu_backend=opengl '--note=a b' --allow_fp16=false"
  )
  flags = benchmark_model.arguments("net.tflite", settings, builds.LITERT)
  assert flags[6:] == ["--use_gpu=true", "--gpu_backend=opengl", "--note=a b", "--allow_fp16=false"]


def test_an_npu_is_told_where_its_libraries_lie():
  settings = TimingSettings(delegate="npu", npu_libraries="here")
  flags = benchmark_model.arguments("net.tflite", settings, builds.LITERT, libraries="/there")
  assert flags[7:] == ["--dispatch_library_path=/there", "--compiler_plugin_library_path=/there"]


@pytest.mark.parametrize(
  ("text", "says"),
  [
    ("gpu_backend=opengl", "must be flags such as --gpu_backend=opengl, got 'gpu_backend=opengl'"),
    ("-v", "must be flags such as"),
    ("--a b", "got 'b'"),
    ("--num_threads=4", "must not have --num_threads, which other options say"),
    ("--allow_fp16=true --use_gpu", "must not have --use_gpu"),
    ("--note='a", "No closing quotation"),
  ],
)
def test_flags_that_are_none_are_refused(text, says):
  with pytest.raises(ValueError, match=says):
    TimingSettings(benchmark_flags=text)


def test_libraries_are_an_npu_s():
  with pytest.raises(ValueError, match="--npu_libraries=here is for --delegate=npu"):
    TimingSettings(delegate="gpu", npu_libraries="here")


@pytest.mark.parametrize(
  ("build", "delegate", "says"),
  [
    (builds.TFLITE, "npu", "of TensorFlow Lite has no delegate 'npu', only cpu, gpu, none, nnapi"),
    (builds.LITERT, "none", "of LiteRT has no delegate 'none', only cpu, gpu, npu"),
    (builds.LITERT, "nnapi", "of LiteRT has no delegate 'nnapi'"),
  ],
)
def test_a_delegate_that_a_build_lacks_is_refused(build, delegate, says):
  with pytest.raises(errors.FlagError, match=says):
    benchmark_model.arguments("net.tflite", TimingSettings(delegate=delegate), build)


@pytest.mark.parametrize(
  ("content", "name", "flags"),
  [
    (b"", "TensorFlow Lite", []),
    (b"\x7fELF use_xnnpack use_gpu", "TensorFlow Lite", []),
    (
      b"use_xnnpack export_model_runtime_info\0model_runtime_info_output_file",
      "TensorFlow Lite",
      ["--export_model_runtime_info=true", "--model_runtime_info_output_file=r/runtime_info.pb"],
    ),
    (b"use_npu", "LiteRT", []),
    (
      b"use_npu\0result_file_path\0model_runtime_info_output_file\0",
      "LiteRT",
      ["--result_file_path=r/result.pb", "--model_runtime_info_output_file=r/runtime_info.pb"],
    ),
  ],
)
def test_a_build_is_told_by_the_flags_in_its_bytes(tmp_path, content, name, flags):
  path = tmp_path / "benchmark_model"
  path.write_bytes(content)
  build = builds.build_of(path)
  assert (build.name, build.file_flags("r"), build.writes_files) == (name, flags, bool(flags))
