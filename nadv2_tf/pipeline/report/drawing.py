"""The found network as a drawing: every layer a bar, filled as far as filters were kept."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Iterator, Sequence

  from nadv2_tf.spec import NetworkSpec, Skip

ROW, GAP, HEADER = 20, 10, 12
LABEL, BARS, WIDTH = 148, 170, 470
COLOURS = {"expansion": "#1f6fb4", "depthwise": "#d2691e", "projection": "#2e8b57"}
OTHER = "#7b4fa3"


def draw(found: NetworkSpec, largest: NetworkSpec) -> str:
  """The drawing as an <svg> element with a legend.

  Args:
    found, largest: `NetworkSpec`s of the same blocks.
  """
  widest = max(kept for block in largest.blocks for kept in block.widths().values())
  parts, tops, y = [], [], HEADER
  for index, (block, full) in enumerate(zip(found.blocks, largest.blocks, strict=True)):
    tops.append(y)
    rows = list(full.widths().items()) or [("", 0)]
    parts.append(_text(26, y + 14, f"{index + 1} {block.kind.replace('_', ' ')}"))
    for line, facts in enumerate(_facts(block, full)):
      parts.append(f'<text class="small" x="26" y="{y + 29 + 14 * line}">{facts}</text>')
    for number, (field, initial) in enumerate(rows):
      if field:
        kept = getattr(block, field)
        parts += _bar(y + number * ROW, field, kept, initial, widest)
    y += max(len(rows), 2) * ROW + GAP
  parts += [_skip(skip, tops) for skip in found.skips]
  alt = (
    f"The found network: {len(found.blocks)} blocks from top to bottom. Each bar is a layer; its "
    "outline is the initial width, the filled part the filters that were kept."
  )
  return (
    f'<svg role="img" aria-label="{alt}" viewBox="0 0 {WIDTH} {y}">'
    f"<title>{alt}</title>{''.join(parts)}</svg>{_legend()}"
  )


def _bar(y: int, field: str, kept: int, initial: int, widest: int) -> Iterator[str]:
  # The square root of the width, so that 8 and 256 filters are both to be seen.
  outline, filled = (BARS * (number / widest) ** 0.5 for number in (initial, kept))
  colour = COLOURS.get(field, OTHER)
  yield (
    f'<rect x="{LABEL}" y="{y + 3}" width="{outline:.1f}" height="{ROW - 6}" fill="none" '
    f'stroke="{colour}" stroke-dasharray="{"0" if kept else "3 3"}"/>'
  )
  if kept:
    yield (
      f'<rect x="{LABEL}" y="{y + 3}" width="{filled:.1f}" height="{ROW - 6}" fill="{colour}"/>'
    )
  words = f"{field} {kept} of {initial}" if kept else f"{field} removed (of {initial})"
  yield _text(LABEL + outline + 8, y + 15, words)


def _facts(block, full):
  """One or two short lines about a block."""
  widths = block.widths()
  if widths and not any(widths.values()):
    return ["removed"]
  facts, more = [], []
  if getattr(block, "kernel", None):
    kernel = f"{block.kernel}x{block.kernel}"
    facts.append(kernel if block.kernel == full.kernel else f"{kernel} of {full.kernel}x")
  if getattr(block, "stride", 1) > 1:
    facts.append(f"stride {block.stride}")
  if getattr(block, "squeeze", None):
    more.append("squeeze")
  if getattr(block, "residual", False):
    more.append("residual")
  return [html.escape(", ".join(part)) for part in (facts, more) if part]


def _skip(skip: Skip, tops: Sequence[int]) -> str:
  start, end = tops[skip.source] + 10, tops[skip.target] + 10
  return (
    f'<path d="M22 {start} C 4 {start}, 4 {end}, 22 {end}" fill="none" stroke="#555" '
    f'stroke-width="1.5"><title>block {skip.source + 1} is added to block {skip.target + 1}'
    "</title></path>"
  )


def _text(x: float, y: float, text: str) -> str:
  return f'<text x="{x:.1f}" y="{y}">{html.escape(text)}</text>'


def _legend() -> str:
  names = {**COLOURS, "other layers": OTHER}
  entries = "".join(
    f'<span><i style="background:{colour}"></i>{name}</span>' for name, colour in names.items()
  )
  return (
    f'<p class="legend">{entries}<span>outline: initial width; filled: kept; lengths go with the '
    "square root of the width</span></p>"
  )
