"""Every wrong value ends a command before any training, with one line that says what to change."""

import pathlib
import subprocess
import sys

import pytest

from nadv2_tf import backbones
from nadv2_tf.options import NetworkOptions
from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.resources.counts import MacsMeter

# --- what the flags themselves say


@pytest.mark.parametrize("command", ["run", "train", "search", "finetune", "export", "report"])
def test_missing_output_is_named(run_command, command):
  status, _, stderr = run_command(command)
  assert status in (1, 2)
  assert "--output" in stderr and "Traceback" not in stderr


@pytest.mark.parametrize(
  ("flag", "value"),
  [
    ("metric", "watts"),
    ("optimizer", "adamw2"),
    ("batch_size", "0"),
    ("batch_size", "many"),
    ("holdout", "-1"),
    ("image_size", "4"),
    ("label_smoothing", "1.5"),
    ("delegate", "tpu"),
    ("num_threads", "0"),
    ("confirm_every", "0"),
    ("search_optimizer", "anneal"),
    ("samples", "0"),
    ("generations", "0"),
    ("tighten", "-1"),
    ("subnetworks_per_batch", "0"),
  ],
)
def test_flag_out_of_range_is_named_with_its_value(fails, output, flag, value):
  fails(f"{flag}.*{value}", "run", f"--output={output}", f"--{flag}={value}")
  assert not output.exists()


def test_unknown_flag_is_named(fails, output):
  fails("Unknown command line flag 'epoch_count'", "run", f"--output={output}", "--epoch_count=3")
  assert not output.exists()


@pytest.mark.parametrize("command", ["run", "search"])
def test_an_optimizer_that_trains_is_explained(run_command, output, command):
  status, _, stderr = run_command(command, f"--output={output}", "--search_optimizer=netadaptv1")
  assert status in (1, 2) and not output.exists()
  assert "--search_optimizer=netadaptv1: netadaptv1 trains every sample" in stderr
  assert "TrainingEvaluator" in stderr and "Traceback" not in stderr


@pytest.mark.parametrize("command", ["run", "train", "search", "export", "report"])
def test_unexpected_argument_is_named(fails, output, command):
  fails(r"unexpected argument 'demo'.*--help", command, f"--output={output}", "demo")
  assert not output.exists()


# --- the search space and the target


def test_unknown_backbone_lists_the_known_ones(fails, output):
  known = r"\|".join(sorted(backbones.BACKBONES))
  for command in ("train", "run"):
    message = (
      f"flag --backbone=resnet50: value should be one of <{known}> or keras:NAME; see --help."
    )
    fails(message, command, f"--output={output}", "--backbone=resnet50")
  assert not output.exists()


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--backbone=fastdepth"], "--data must be tfds:NAME, folder:DIR or rooms:COUNT .* got 'demo'"),
    (["--backbone=fastdepth", "--data=rooms:3"], "needs a COUNT from 10 to 100000, got '3'"),
    (
      ["--backbone=fastdepth", "--label_smoothing=0.1", "--data=rooms:10"],
      "--label_smoothing is not for the loss of depth; got 0.1",
    ),
    (
      ["--depth_scale=0.1"],
      "--depth_scale=0.1 is not for classification, the task of this network",
    ),
    (
      ["--backbone=fastdepth", "--depth_scale=-1", "--data=folder:none"],
      "--depth_scale must be above 0, got -1.0",
    ),
  ],
)
def test_flags_of_another_task_are_refused(fails, output, flags, message):
  fails(message, "train", f"--output={output}", *flags)
  assert not output.exists()


def test_target_below_the_smallest_network_names_it(fails, small, output):
  space = backbones.search_space("mobilenet_v3_demo", (32, 32, 1), 3)
  smallest = MacsMeter().measure(space.smallest())
  message = rf"target of {smallest - 1:g} MACs cannot be met.*smallest network .* {smallest:g} MACs"
  flags = [*small, f"--output={output}", "--metric=macs"]
  fails(message, "run", *flags, f"--target={smallest - 1:.0f}")


@pytest.mark.parametrize("target", ["fast", "-5", "0", "0%", "30ms", ""])
def test_target_that_is_no_number_is_quoted(fails, small, output, target):
  flags = [*small, f"--output={output}", "--metric=latency_ms", f"--target={target}"]
  fails(f"--target must be a number above 0, .* got '{target}'", "run", *flags)
  assert not output.exists()


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--target=50%,fast", "--target must be a number above 0, .* got 'fast'"),
    ("--target=50%,50%", "--target must name each target once; '50%' is '50%' again"),
    ("--limit=energy<=5", "--limit must be such as parameters<=2e6, .* got 'energy<=5'"),
    ("--limit=size_bytes<=9", "limit of 9 bytes cannot be met: the smallest network of"),
    ("--samples=9", "--samples is for --search_optimizer=random; mcd does not take it"),
    (
      "--generations=9",
      "--generations is for --search_optimizer=evolution or hurricane; mcd does not take it",
    ),
    ("--trust_samples=2", "--trust_samples must be 0 .* or at least 3, got 2"),
    ("--limit=no_such.module:Meter<=5", "module 'no_such.module' cannot be imported"),
    ("--metric=no_such.module:Meter", "module 'no_such.module' cannot be imported"),
    ("--fixed_blocks=7-1", "--fixed_blocks must be numbers and ranges such as 1-7,13, got '7-1'"),
    ("--fixed_blocks=1-99", r"'mobilenet_v3_demo' has blocks 1 to \d+, got \d+"),
    ("--metric=json:dumps", "json:dumps: the class must be made without arguments"),
  ],
)
def test_what_cannot_be_searched_for_is_named(fails, small, output, flag, message):
  fails(message, "run", *small, f"--output={output}", "--metric=macs", flag)


def test_unknown_device_is_named(fails, small, output):
  message = "--device must be host, adb or adb:SERIAL, got 'phone'"
  fails(message, "run", *small, f"--output={output}", "--device=phone")


def test_missing_table_is_named(fails, small, output):
  message = f"--device=table:{output}.csv: there is no file {output}.csv"
  fails(message, "run", *small, f"--output={output}", f"--device=table:{output}.csv")


def test_mask_that_is_none_is_named(fails, small, output):
  message = "--cpu_mask=big: must be a hexadecimal mask such as f0, got 'big'"
  fails(message, "run", *small, f"--output={output}", "--cpu_mask=big")


def test_schedule_that_cannot_reach_the_target_is_explained(fails, small, output):
  # 0.01 (1 + 0.5 + 0.25 + ...) = 0.02 of the resource, and half of it must go.
  flags = ["--initial_reduction=0.01", "--reduction_decay=0.5", "--metric=macs", "--target=50%"]
  message = "--initial_reduction=0.01 and --reduction_decay=0.5 .* take off 2% .*raise one of them"
  fails(message, "run", *small, f"--output={output}", *flags)


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--initial_reduction=1.5", "--initial_reduction must lie between 0 and 1, got 1.5"),
    ("--reduction_decay=0", "--reduction_decay must be above 0 and at most 1, got 0"),
  ],
)
def test_schedule_out_of_range_is_named(fails, small, output, flag, message):
  fails(message, "run", *small, f"--output={output}", "--metric=macs", flag)


# --- the folder of the run


@pytest.mark.parametrize(("command", "flags"), [("train", []), ("run", ["--metric=macs"])])
def test_folder_of_another_run_is_refused(fails, small, output, command, flags):
  others = NetworkOptions("mobilenet_v3_demo", None, small[0].partition("=")[2], 4, seed=7)
  RunFolder(output).open(network=others)
  message = f"--output={output} holds another run: it has --seed=7, this one --seed=0"
  fails(message, command, *small, f"--output={output}", *flags)


def test_foreign_folder_is_refused_and_left_alone(fails, small, output):
  output.mkdir()
  (output / "letter.txt").write_text("mine")
  message = f"--output={output} is not empty and holds no run"
  fails(message, "train", *small, f"--output={output}")
  assert [path.name for path in output.iterdir()] == ["letter.txt"]


def test_file_instead_of_a_folder_is_refused(fails, small, output):
  output.write_text("mine")
  fails(f"--output={output} is a file", "train", *small, f"--output={output}")
  assert output.read_text() == "mine"


@pytest.mark.parametrize("command", ["search", "finetune", "export", "report"])
@pytest.mark.parametrize("exists", [False, True])
def test_later_stage_without_a_run_says_what_is_missing(fails, output, command, exists):
  if exists:
    output.mkdir()
  fails(f"{output}.* (holds no run|is missing)", command, f"--output={output}")
  assert not exists or not list(output.iterdir())


@pytest.mark.parametrize("command", ["search", "finetune"])
def test_damaged_run_is_named(fails, output, command):
  output.mkdir()
  (output / "run.json").write_text('{"network": {"backbone": 3}, "train"')
  fails(r"Cannot read .*run\.json", command, f"--output={output}")
  (output / "run.json").write_text('{"network": {"backbone": 3}}')
  fails(r"run\.json: the options of 'network' must be backbone, ", command, f"--output={output}")


def test_a_targets_folder_is_no_run(fails, output):
  """A folder as several targets leave it, without the run around it."""
  folder = RunFolder(output)
  folder.write_spec("found", backbones.network("mobilenet_v3_demo"))
  fails("holds no run.json; a report is made of a whole run's folder", "report", "--output", output)


# --- the same without a fork


def test_command_in_a_process_of_its_own(start_command, check_one_line, output, small):
  done = start_command("run", *small, f"--output={output}", "--metric=macs", "--target=1")
  check_one_line(done.returncode, done.stderr, "smallest network of 'mobilenet_v3_demo' has")
  assert not list(output.glob("*.weights.h5"))


def test_command_without_tensorflow_in_a_process_of_its_own(start_command, check_one_line):
  done = start_command("count", "--network=resnet50")
  check_one_line(done.returncode, done.stderr, "Unknown network 'resnet50'. Known: ")
  assert done.stdout == ""


def test_a_tilde_is_the_home_folder(fails):
  """Behind a "=" shells leave it, and a folder of that name would be made."""
  home = pathlib.Path("~").expanduser()
  fails(f"{home}/no such run", "report", "--output=~/no such run")
  fails(
    f"There is no file {home}/no such network.tflite", "time", "--tflite=~/no such network.tflite"
  )


@pytest.mark.parametrize(("flags", "told"), [([], False), (["--verbosity=0"], True)])
def test_libraries_tell_what_they_do_if_they_are_asked(flags, told):
  program = (
    "import absl.logging\nfrom nadv2_tf.programs.start import start\n"
    "start(lambda: (absl.logging.info('a detail'), absl.logging.warning('a warning')))"
  )
  done = subprocess.run(
    [sys.executable, "-c", program, *flags], capture_output=True, text=True, check=True
  )
  assert ("a detail" in done.stderr) is told and "a warning" in done.stderr


def test_good_command_ends_with_status_0(run_command):
  status, stdout, stderr = run_command("count", "--network=mobilenet_v3_demo")
  assert (status, stderr) == (0, "") and "parameters" in stdout
