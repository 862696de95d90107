"""Names of types that have none of their own here."""

import os
from typing import Any, TypeAlias

#: of whatever backend runs: a TensorFlow or JAX tensor, or a `keras.KerasTensor` of a model's graph
Tensor: TypeAlias = Any
#: of a file or folder
AnyPath: TypeAlias = str | os.PathLike[str]
