"""Tables and pictures of a finished run."""

from nadv2_tf import backbones
from nadv2_tf.export.tflite import write_atomically
from nadv2_tf.pipeline.report import page, picture, tables
from nadv2_tf.search import journal


def write_report(folder):
  """Writes pareto.png and report.html of a run; returns the closing table as text.

  Raises:
    ValueError: if the run has no finished search.
  """
  folder.need(folder.spec("found"), "nadv2-search")
  metrics, settings = folder.metrics(), folder.settings()
  found = folder.read_spec("found")
  largest = backbones.search_space(
    settings["network"]["backbone"],
    input_shape=found.input_shape,
    classes=found.blocks[-1].classes,
  ).largest()
  picture.draw_pareto(journal.read(folder.journal), metrics, folder.pareto)
  text = page.render(metrics, settings, found, largest, folder.pareto.read_bytes())
  write_atomically(folder.report, text.encode())
  return tables.text_table(metrics)
