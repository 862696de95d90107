"""Charts as SVG text: units on both axes, a legend, and words for who cannot see them."""

from __future__ import annotations

import html
import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 72, 26, 10, 44
COLOURS = ("#1f6fb4", "#d2691e", "#2e8b57", "#7b4fa3", "#777777")


def chart(
  series: Mapping[str, Sequence[tuple[float, float]]],
  x_title: str,
  y_title: str,
  alt: str,
  diagonal: bool = False,
  points: bool = False,
) -> str:
  """A chart.

  Args:
    series: {name: [(x, y), ...]}, at least one point in all.
    x_title, y_title: of the axes, with units.
    alt: what the chart shows, in words.
    diagonal: also draw the line where both axes are equal.
    points: draw points, not lines.

  Returns:
    An <svg> element and its legend as HTML.
  """
  everything = list(itertools.chain.from_iterable(series.values()))
  xs, ys = [x for x, _ in everything], [y for _, y in everything]
  if diagonal:
    xs = ys = [*xs, *ys]
  x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(ys), max(ys))
  across = _scale(x_ticks, LEFT, WIDTH - RIGHT)
  up = _scale(y_ticks, HEIGHT - BOTTOM, TOP)
  parts = [*_axes(x_ticks, y_ticks, across, up, x_title, y_title)]
  if diagonal:
    ends = (max(x_ticks[0], y_ticks[0]), min(x_ticks[-1], y_ticks[-1]))
    parts.append(
      f'<line x1="{across(ends[0]):.1f}" y1="{up(ends[0]):.1f}" x2="{across(ends[1]):.1f}" '
      f'y2="{up(ends[1]):.1f}" stroke="#999" stroke-dasharray="4 4"/>'
    )
  for colour, values in zip(itertools.cycle(COLOURS), series.values(), strict=False):
    places = [(f"{across(x):.1f}", f"{up(y):.1f}") for x, y in values]
    if points:
      parts += [f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in places]
    else:
      line = " ".join(f"{x},{y}" for x, y in places)
      parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
  return _picture(parts, alt) + _legend(series)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
  """Round numbers from below `low` to above `high`, about `count` steps apart."""
  if not high > low:
    low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
  raw = (high - low) / count
  power = 10.0 ** math.floor(math.log10(raw))
  step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
  first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
  return [number * step for number in range(first, last + 1)]


def _scale(marks: Sequence[float], start: float, end: float) -> Callable[[float], float]:
  low, high = marks[0], marks[-1]
  return lambda value: start + (value - low) / (high - low) * (end - start)


def _axes(
  x_ticks: Sequence[float],
  y_ticks: Sequence[float],
  across: Callable[[float], float],
  up: Callable[[float], float],
  x_title: str,
  y_title: str,
) -> Iterator[str]:
  bottom = HEIGHT - BOTTOM
  for x in x_ticks:
    yield _text(across(x), bottom + 17, f"{x:.4g}", "middle")
    yield _line(across(x), bottom, across(x), bottom + 4)
  for y in y_ticks:
    yield _text(LEFT - 7, up(y) + 4, f"{y:.4g}", "end")
    yield _line(LEFT, up(y), WIDTH - RIGHT, up(y), "#e2e2e2")
  yield _line(LEFT, bottom, WIDTH - RIGHT, bottom)
  yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_title, "middle")
  yield (
    f'<text transform="translate(14 {(TOP + bottom) / 2:.0f}) rotate(-90)" '
    f'text-anchor="middle">{html.escape(y_title)}</text>'
  )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#555") -> str:
  return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
  return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _picture(parts: Iterable[str], alt: str) -> str:
  title = html.escape(alt, quote=True)
  return (
    f'<svg role="img" aria-label="{title}" viewBox="0 0 {WIDTH} {HEIGHT}">'
    f"<title>{title}</title>{''.join(parts)}</svg>"
  )


def _legend(series: Iterable[str]) -> str:
  entries = "".join(
    f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>'
    for colour, name in zip(itertools.cycle(COLOURS), series, strict=False)
  )
  return f'<p class="legend">{entries}</p>'
