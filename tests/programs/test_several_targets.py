"""The commands one after the other, for two targets: each finds what the one before it left."""

import json

import short_backbone


def test_every_stage_is_for_every_target(run_command, small, output):
  def does(command, *flags):
    status, stdout, stderr = run_command(command, f"--output={output}", *flags, short=True)
    assert status == 0, stderr
    return stdout

  does("train", short_backbone.FLAG, *small, "--epochs=0", "--full_epochs=0")
  search = ["--metric=macs", "--target=60%,80%", "--initial_reduction=0.2"]
  printed = does("search", *search, "--search_optimizer=random", "--samples=2", "--limit=macs<=79%")
  assert printed.count("the found network is in") == 2
  assert sum(line.startswith("macs: target ") for line in printed.splitlines()) == 2
  printed = does("finetune", "--finetune_epochs=0")
  places = [output / name for name in ("target_80pct", "target_60pct")]
  for place in places:
    assert f"the network is in {place}/found.keras" in printed
  printed = does("export")
  for place in places:
    size = (place / "found.tflite").stat().st_size
    assert f"{place}/found.tflite: {size:,} bytes" in printed
  printed = does("report")
  for place, share in zip(places, (80, 60), strict=True):
    assert f"found network, target {share}%" in printed
    assert (place / "report.html").exists() and (place / "pareto.png").exists()
  assert len(json.loads((output / "metrics.json").read_text())["targets"]) == 2
  assert not list(output.glob("found.*"))
