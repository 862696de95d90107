"""The two latency tables of a mixed file, looked at long before they are needed."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from nadv2_tf.pipeline.aim.doubts import check_doubt
from nadv2_tf.resources.precisions import PrecisionTables, block_milliseconds, read_table

if TYPE_CHECKING:
  from nadv2_tf.options import ExportOptions
  from nadv2_tf.pipeline.run_folder.folder import RunFolder
  from nadv2_tf.spec import SearchSpace


def check(
  options: ExportOptions, space: SearchSpace, folder: RunFolder, on_unsteady: str = "fail"
) -> None:
  """Raises ValueError if a table of --max_latency is none, or lacks a layer of the space.

  Neither may be one that its own check finds wrong unless `on_unsteady` is "mark". The float table
  may be that of the run itself, which may still have to be measured.
  """
  if not options.max_latency:
    return
  own = folder.latency_table
  if pathlib.Path(options.float_table).resolve() == own.resolve() and not own.exists():
    in_int8 = read_table(options.int8_table, "int8")
    check_doubt(in_int8, on_unsteady, pathlib.Path(options.int8_table))
    block_milliseconds(in_int8, space.largest())
    return
  tables = PrecisionTables.from_csv(options.float_table, options.int8_table)
  check_doubt(tables.in_float, on_unsteady, pathlib.Path(options.float_table))
  check_doubt(tables.in_int8, on_unsteady, pathlib.Path(options.int8_table))
  tables.block_milliseconds(space.largest())
