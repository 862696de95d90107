"""Parts of a backbone's search space, for methods that know less than NetAdaptV2."""

from __future__ import annotations

import dataclasses

from nadv2_tf.spec import SearchSpace


def without_bypass(space: SearchSpace) -> SearchSpace:
  """The space without channel-level bypass: no layer can be removed.

  A depthwise layer has as many filters as channels, so its width is no decision of its own.
  """
  network = space.network
  for index, block in enumerate(network.blocks):
    if hasattr(block, "bypass_cap"):
      network = network.with_block(index, bypass_cap=0)
  decisions = []
  for decision in space.decisions:
    if decision.field == "depthwise":
      continue
    if decision.kind == "width" and decision.choices[0] == 0:
      decision = dataclasses.replace(decision, choices=decision.choices[1:])
    decisions.append(decision)
  name = f"{network.name}_no_cbc"
  return SearchSpace(dataclasses.replace(network, name=name), tuple(decisions))


def widths_alone(space: SearchSpace) -> SearchSpace:
  """What NetAdaptV1 searches, which prunes filters and knows neither bypass nor kernel sizes."""
  no_bypass = without_bypass(space)
  widths = tuple(decision for decision in no_bypass.decisions if decision.kind == "width")
  return SearchSpace(no_bypass.network, widths)
