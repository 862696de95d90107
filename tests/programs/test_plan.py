"""nadv2-run --plan, as a command."""

import re

import pytest
import short_backbone

TINY = [short_backbone.FLAG, "--metric=macs", "--target=60%"]
TRAINING = [
  "--image_size=8", "--epochs=2", "--full_epochs=1", "--finetune_epochs=1",
  "--samples_per_iteration=2", "--initial_reduction=0.2",
]  # fmt: skip


def rows(stdout):
  """{stage: its time} of a printed plan."""
  return dict(re.findall(r"^([a-z]+(?: [a-z]+)?) {2,}(done|[\d.,]+ (?:s|min|h))", stdout, re.M))


@pytest.mark.slow
def test_a_plan_trains_nothing_and_leaves_nothing(run_command, output, small):
  arguments = [*TINY, *TRAINING, *small, f"--output={output}"]
  status, stdout, stderr = run_command("run", *arguments, "--plan")
  assert status == 0, stderr
  assert not output.exists()
  planned = rows(stdout)
  assert list(planned) == [
    "start", "train full", "train", "search", "finetune found", "export", "time", "report", "all",
  ]  # fmt: skip
  assert re.search(r"^memory +[\d.]+ GiB, the most seen while probing$", stdout, re.M)
  assert re.search(r"^disk +[\d.]+ MiB", stdout, re.M)

  status, stdout, stderr = run_command("run", *arguments)
  assert status == 0, stderr
  assert stdout.startswith("about ")
  files = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
  status, stdout, stderr = run_command("run", *arguments, "--plan")
  assert status == 0, stderr
  done = {name for name, time in rows(stdout).items() if time == "done"}
  assert done == {"train full", "train", "search", "finetune found", "export", "time"}
  assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == files


def test_a_plan_on_paper_loads_no_data(run_command, output):
  arguments = [*TINY, "--data=folder:nowhere", "--plan_as=8 x 300 images/s", f"--output={output}"]
  status, stdout, stderr = run_command("run", "--plan", "--plan_images=100000", *arguments)
  assert status == 0, stderr
  assert stdout.startswith("on paper, nothing measured: 8 accelerators") and not output.exists()
  assert rows(stdout)["all"]


@pytest.mark.parametrize(
  ("message", "arguments"),
  [
    ("such as '8 x 300 images/s'; got '8'", ["--plan", "--plan_as=8"]),
    ("--plan_as needs --plan", ["--plan_as=8 x 300 images/s"]),
    ("give --plan_images", ["--plan", "--plan_as=8 x 300 images/s", "--data=folder:nowhere"]),
  ],
)
def test_mistakes_are_one_line(fails, output, message, arguments):
  fails(re.escape(message), "run", *TINY, *arguments, f"--output={output}")
