"""What ran where: the nodes of a file's main graph, and those that a delegate took.

TensorFlow Lite and LiteRT print it for each delegate in one line, read in `tflite/core/subgraph.cc`
and found in the library of ai-edge-litert 2.3: "Replacing 60 out of 62 node(s) with delegate
(LITERT_CL) node, yielding 2 partitions for subgraph 0 (main)."
"""

from __future__ import annotations

import dataclasses
import re

#: delegate -> names that its kernels have. Seen in public logs of phones: LITERT_CL,
#: DispatchDelegate, TfLiteXNNPackDelegate, TfLiteGpuDelegateV2, TfLiteNnapiDelegate.
_FAMILIES = {
  "cpu": re.compile(r"xnnpack", re.IGNORECASE),
  "gpu": re.compile(r"gpu|^LITERT_(?:CL|GL|METAL|WEBGPU|VULKAN|DX)", re.IGNORECASE),
  "npu": re.compile(r"dispatch|npu|qnn|neuron", re.IGNORECASE),
  "nnapi": re.compile(r"nnapi", re.IGNORECASE),
}
_REPLACING = re.compile(
  r"Replacing ([0-9]{1,9}) out of ([0-9]{1,9}) node\(s\) with delegate \(([^)\n]{0,100})\) node, "
  r"yielding ([0-9]{1,9}) partitions(?: for subgraph ([0-9]{1,9}))?"
)


@dataclasses.dataclass(frozen=True)
class Placement:
  """Where the nodes of the main graph ran.

  Attributes:
    nodes: of the graph, in all.
    delegated: {delegate's name as the runtime has it: nodes that it took}.
    partitions: parts that the graph fell into, each run by one delegate or by none.
  """

  nodes: int
  delegated: dict[str, int]
  partitions: int

  def on(self, delegate: str) -> int:
    """Nodes on a delegate, one of `DELEGATES`; on "none" those that no delegate took."""
    if delegate == "none":
      return self.nodes - sum(self.delegated.values())
    return sum(count for name, count in self.delegated.items() if is_of(delegate, name))

  def describe(self) -> str:
    """Such as "LITERT_CL 60 of 62 nodes, TfLiteXNNPackDelegate 2 of 62 nodes, 2 partitions"."""
    parts = [f"{name} {count} of {self.nodes} nodes" for name, count in self.delegated.items()]
    return ", ".join([*parts, f"{self.partitions} partition(s)"])


def is_of(delegate: str, name: str) -> bool:
  """Whether a kernel's `name` is one of `delegate`'s."""
  return bool(_FAMILIES[delegate].search(name)) if delegate in _FAMILIES else False


def printed_placement(text: str) -> Placement | None:
  """The `Placement` from the lines that a runtime printed; None if it printed none.

  The first delegate finds all nodes of the graph; each further one finds those that are left, and
  the kernels of those before it.
  """
  found = [match.groups() for match in _REPLACING.finditer(text)]
  main = [groups for groups in found if int(groups[4] or 0) == 0]
  if not main:
    return None
  delegated: dict[str, int] = {}
  for replaced, _, name, _, _ in main:
    delegated[name] = delegated.get(name, 0) + int(replaced)
  nodes = int(main[0][1])
  return Placement(nodes, {name: min(n, nodes) for name, n in delegated.items()}, int(main[-1][3]))
