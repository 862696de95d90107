"""Every wrong value ends a command before any training, with one line that says what to change."""

import numpy as np
import pytest
from nadv2_tf.flags.groups import NetworkOptions
from PIL import Image

from nadv2_tf import backbones
from nadv2_tf.pipeline.folder import RunFolder
from nadv2_tf.resources.counts import MacsMeter


def _save_npz(path, **changes):
  rng = np.random.default_rng(0)
  arrays = {
    "x_train": rng.integers(0, 256, (12, 8, 8), np.uint8),
    "y_train": np.arange(12) % 3,
    "x_test": rng.integers(0, 256, (3, 8, 8), np.uint8),
    "y_test": np.arange(3),
  }
  np.savez(path, **arrays | changes)
  return path


@pytest.fixture
def small(tmp_path):
  """Flags of 12 images in three classes, of which 4 are held out and 8 trained on."""
  path = _save_npz(tmp_path / "small.npz")
  return [f"--data=npz:{path}", "--holdout=4", "--batch_size=4", "--subnetworks_per_batch=2"]


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
def test_flag_out_of_range_is_named_with_its_value(run_command, output, flag, value):
  status, _, stderr = run_command("run", f"--output={output}", f"--{flag}={value}")
  assert status in (1, 2)
  assert flag in stderr and value in stderr and "Traceback" not in stderr
  assert not output.exists()


def test_unknown_flag_is_named(run_command, output):
  status, _, stderr = run_command("run", f"--output={output}", "--epoch_count=3")
  assert status in (1, 2)
  assert "epoch_count" in stderr and "Traceback" not in stderr
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
  known = ", ".join(sorted(backbones.BACKBONES))
  for command in ("train", "run"):
    message = f"Unknown backbone 'resnet50'. Known: {known}"
    fails(message, command, f"--output={output}", "--backbone=resnet50")
  assert not output.exists()


def test_depth_backbone_is_refused(fails, output):
  fails(
    "--backbone=fastdepth estimates depth, .*nadv2-count",
    *("train", f"--output={output}", "--backbone=fastdepth"),
  )
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


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--target=50%,fast", "--target must be a number above 0, .* got 'fast'"),
    ("--target=50%,50%", "--target must name each target once; '50%' is '50%' again"),
    ("--limit=energy<=5", "--limit must be such as parameters<=2e6, .* got 'energy<=5'"),
    ("--limit=size_bytes<=9", "limit of 9 bytes cannot be met: the smallest network of"),
    ("--samples=9", "--samples is for --search_optimizer=random; mcd does not take it"),
    ("--generations=9", "--generations is for --search_optimizer=evolution; mcd does not take it"),
    ("--trust_samples=2", "--trust_samples must be 0 .* or at least 3, got 2"),
    ("--limit=no_such.module:Meter<=5", "module 'no_such.module' cannot be imported"),
    ("--metric=no_such.module:Meter", "module 'no_such.module' cannot be imported"),
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
  message = "cpu_mask must be a hexadecimal mask such as f0, got 'big'"
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


# --- the data


@pytest.fixture
def pictures(tmp_path):
  """A folder data set of two classes with one image each."""
  root = tmp_path / "pictures"
  for part in ("train", "test"):
    for name in ("ant", "cat"):
      (root / part / name).mkdir(parents=True)
      Image.new("RGB", (9, 9)).save(root / part / name / "1.png")
  return root


def test_unknown_data_lists_the_known_forms(fails, output):
  message = "--data must be demo, tfds:NAME, folder:DIR or npz:FILE, got 'imagenet'"
  fails(message, "train", f"--output={output}", "--data=imagenet")


def test_empty_folder_is_named(fails, tmp_path, output):
  empty = tmp_path / "empty"
  empty.mkdir()
  message = f"{empty / 'train'} is not a folder"
  fails(message, "train", f"--output={output}", f"--data=folder:{empty}")
  assert not output.exists()


def test_single_class_is_refused(fails, pictures, output):
  (pictures / "train" / "cat" / "1.png").unlink()
  (pictures / "train" / "cat").rmdir()
  message = f"{pictures / 'train'} has 1 class folders; at least 2 are needed"
  fails(message, "train", f"--output={output}", f"--data=folder:{pictures}")
  assert not output.exists()


def test_image_that_cannot_be_read_is_named(fails, pictures, output):
  path = pictures / "test" / "cat" / "1.png"
  path.write_bytes(path.read_bytes()[:40])
  message = f"Cannot read the image {path}"
  fails(message, "train", f"--output={output}", f"--data=folder:{pictures}")
  assert not output.exists()


def test_label_outside_the_classes_is_named(fails, tmp_path, output):
  path = _save_npz(tmp_path / "labels.npz", y_test=np.array([0, 7, 2]))
  message = r"test image 1 has the label 7, which is outside the 3 classes"
  fails(message, "train", f"--output={output}", f"--data=npz:{path}")
  assert not output.exists()


def test_holdout_larger_than_the_data_is_refused(fails, small, output):
  message = r"--holdout must be from 1 to 10 .* 12 images, got 1000"
  fails(message, "train", small[0], f"--output={output}")
  assert not output.exists()


def test_batch_larger_than_what_is_left_is_refused(fails, small, output):
  message = r"--batch_size=9 is more than the 8 training images"
  flags = [*small[:2], "--batch_size=9", "--subnetworks_per_batch=3", f"--output={output}"]
  fails(message, "train", *flags)
  assert not output.exists()


def test_batch_that_does_not_divide_is_refused(fails, small, output):
  message = r"--subnetworks_per_batch must divide the batch size 4, got 3"
  fails(message, "train", *small[:3], "--subnetworks_per_batch=3", f"--output={output}")
  assert not output.exists()


def test_more_full_networks_than_sub_networks_are_refused(fails, small, output):
  message = r"--full_subnetworks must be from 0 to the 2 .* got 3"
  fails(message, "train", *small, "--full_subnetworks=3", f"--output={output}")
  assert not output.exists()


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


def test_good_command_ends_with_status_0(run_command):
  status, stdout, stderr = run_command("count", "--network=mobilenet_v3_demo")
  assert (status, stderr) == (0, "") and "parameters" in stdout
