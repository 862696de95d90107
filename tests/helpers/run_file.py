"""Runs a TFLite file as a phone would: python run_file.py FILE INPUT OUTPUT.

What lies in the folder $PHONE makes it misbehave: `wrong` lets it compute wrong numbers, `short`
write half of its output, `silent` none.
"""

import os
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

phone = pathlib.Path(os.environ["PHONE"])
graph, given, gives = sys.argv[1:]
made = Interpreter(model_path=graph)
made.allocate_tensors()
(taken,), (output,) = made.get_input_details(), made.get_output_details()
image = np.frombuffer(pathlib.Path(given).read_bytes(), taken["dtype"]).reshape(taken["shape"])
made.set_tensor(taken["index"], image)
made.invoke()
values = made.get_tensor(output["index"])
if (phone / "wrong").exists():
  values = values[..., ::-1]
content = np.ascontiguousarray(values).tobytes()
if (phone / "short").exists():
  content = content[: len(content) // 2]
if not (phone / "silent").exists():
  pathlib.Path(gives).write_bytes(content)
