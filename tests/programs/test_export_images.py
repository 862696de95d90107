"""Which images nadv2-export takes for a file that lies in a run."""

import types

import pytest

from nadv2_tf.pipeline.run_folder.folder import RunFolder
from nadv2_tf.pipeline.stages import workbench
from nadv2_tf.programs import export


@pytest.mark.parametrize("mirror", [True, False])
def test_a_file_of_a_run_is_trained_on_mirrored_images_only_if_the_run_was(
  tmp_path, monkeypatch, mirror
):
  folder = RunFolder(tmp_path)
  folder.write_json(folder.settings_file, {"network": {"data": "demo"}})
  options = types.SimpleNamespace(mirror=mirror)
  bench = types.SimpleNamespace(task="task", datasets="datasets", train_options=options)
  monkeypatch.setattr(workbench, "reopen_workbench", lambda *_, **__: bench)
  monkeypatch.setattr(export, "FLAGS", types.SimpleNamespace(data=None))
  checked = []
  network = types.SimpleNamespace(check_data=lambda *values: checked.append(values))
  found = export._images_for(tmp_path / "deeper" / "found.keras", network)
  assert found == ("task", "datasets", mirror)
  assert checked == [("task", "datasets", f"the run in {tmp_path}")]
  monkeypatch.setattr(export, "FLAGS", types.SimpleNamespace(data=None))
  elsewhere = tmp_path / "a" / "b" / "c"
  assert export._images_for(elsewhere / "found.keras", None) == (None, None, True)
