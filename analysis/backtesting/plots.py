"""Small plots as SVG: they need no library and no network, and take the colour of the text around them, so that they
read on light and on dark pages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np

from indicators.compute import Array

ACCENT, SECOND, AGAINST = "#14a08f", "#94a3b8", "#e0524d"
_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 26, 24
_MOST_POINTS = 600
_TEXT = 'font-family="sans-serif" font-size="11" fill="currentColor"'


@dataclass(frozen=True)
class Line:
    """One line: its name, its values over ``x``, and whether it is the one that matters."""

    name: str
    x: Array
    y: Array
    color: str = ACCENT
    low: Array | None = None
    high: Array | None = None


def line_plot(
    title: str,
    lines: Sequence[Line],
    *,
    show_y: Callable[[float], str],
    show_x: Callable[[float], str],
    rule: float | None = None,
    marked_x: float | None = None,
) -> str:
    """Lines over a common axis, with bands where a line has them; ``rule`` is a level, ``marked_x`` a place to mark."""
    drawn = [_thinned(line) for line in lines]
    values = [each for line in drawn for each in (line.y, line.low, line.high) if each is not None]
    finite = np.concatenate([*(each[np.isfinite(each)] for each in values), np.array([] if rule is None else [rule])])
    if finite.size < 2 or not any(line.x.size > 1 for line in drawn):
        return _frame(title, f'<text x="{_LEFT}" y="{_HEIGHT // 2}" {_TEXT}>nothing to show</text>')
    low, high = float(finite.min()), float(finite.max())
    if high <= low:
        low, high = low - abs(low) * 0.01 - 1e-9, high + abs(high) * 0.01 + 1e-9
    left = min(float(line.x[0]) for line in drawn if line.x.size)
    right = max(float(line.x[-1]) for line in drawn if line.x.size)

    def place_x(value: Array) -> Array:
        return _LEFT + (value - left) / max(right - left, 1e-300) * (_WIDTH - _LEFT - _RIGHT)

    def place_y(value: Array) -> Array:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for level in ticks(low, high):
        y = float(place_y(np.array([level]))[0])
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor"'
            f' stroke-opacity="0.12"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>'
            f"{escape(show_y(level))}</text>"
        )
    for at, anchor in ((left, "start"), ((left + right) / 2, "middle"), (right, "end")):
        x = float(place_x(np.array([at]))[0])
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}" {_TEXT}>{escape(show_x(at))}</text>')
    if rule is not None:
        y = float(place_y(np.array([rule]))[0])
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor"'
            ' stroke-opacity="0.5" stroke-dasharray="3 3"/>'
        )
    if marked_x is not None:
        x = float(place_x(np.array([marked_x]))[0])
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="currentColor"'
            ' stroke-opacity="0.5" stroke-dasharray="3 3"/>'
        )
    for line in drawn:
        if line.low is not None and line.high is not None:
            edge = [*_points(place_x(line.x), place_y(line.low)), *_points(place_x(line.x), place_y(line.high))[::-1]]
            parts.append(f'<polygon points="{" ".join(edge)}" fill="{line.color}" fill-opacity="0.18"/>')
        points = " ".join(_points(place_x(line.x), place_y(line.y)))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{line.color}" stroke-width="1.6"/>')
    x = _WIDTH - _RIGHT
    for line in reversed(drawn):
        x -= 7 * len(line.name) + 22
        parts.append(
            f'<rect x="{x}" y="10" width="12" height="4" fill="{line.color}"/><text x="{x + 16}" y="16" {_TEXT}>'
            f"{escape(line.name)}</text>"
        )
    return _frame(title, "".join(parts))


def histogram(title: str, parts: Sequence[tuple[str, Array, str]], *, show_x: Callable[[float], str]) -> str:
    """Shares of values in 30 equal classes, for several samples over each other; (name, values, colour)."""
    everything = np.concatenate([values[np.isfinite(values)] for _, values, _ in parts])
    if everything.size < 2 or float(everything.min()) == float(everything.max()):
        return _frame(title, f'<text x="{_LEFT}" y="{_HEIGHT // 2}" {_TEXT}>nothing to show</text>')
    low, high = np.quantile(everything, [0.005, 0.995])
    edges = np.linspace(low, high, 31) if high > low else np.linspace(everything.min(), everything.max(), 31)
    lines = []
    for name, values, color in parts:
        inside = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges)
        shares = counts / max(1, inside.size)
        lines.append(Line(name, np.repeat(edges, 2)[1:-1], np.repeat(shares, 2), color))
    return line_plot(title, lines, show_y=percent, show_x=show_x, rule=0.0)


def heat_map(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Array, *, row_name: str, column_name: str,
    show: Callable[[float], str],
) -> str:  # fmt: skip
    """``cells`` float64[rows, columns] as colours, red below 0 and green above; NaN is left empty."""
    finite = cells[np.isfinite(cells)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    left, top = 24 + 7 * max((len(name) for name in rows), default=1), 44
    width = max(14.0, min(64.0, (_WIDTH - left - _RIGHT) / max(1, len(columns))))
    height = 22
    parts = [f'<text x="{left}" y="30" {_TEXT}>{escape(column_name)} →, {escape(row_name)} ↓</text>']
    is_roomy = width >= 44
    step = max(1, math.ceil(max((len(name) for name in columns), default=1) * 7 / width))
    for row, name in enumerate(rows):
        y = top + row * height
        parts.append(f'<text x="{left - 6}" y="{y + 15}" text-anchor="end" {_TEXT}>{escape(name)}</text>')
        for column in range(len(columns)):
            value, x = float(cells[row, column]), left + column * width
            if not math.isfinite(value):
                continue
            strength = abs(value) / largest if largest else 0.0
            color = ACCENT if value >= 0 else AGAINST
            label = f"{row_name} {name}, {column_name} {columns[column]}: {show(value)}"
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width - 1:.1f}" height="{height - 1}" fill="{color}"'
                f' fill-opacity="{0.08 + 0.8 * strength:.2f}"><title>{escape(label)}</title></rect>'
            )
            if is_roomy:
                parts.append(
                    f'<text x="{x + width / 2:.1f}" y="{y + 15}" text-anchor="middle" {_TEXT}>'
                    f"{escape(show(value))}</text>"
                )
    below = top + len(rows) * height + 14
    for column in range(0, len(columns), step):
        parts.append(
            f'<text x="{left + (column + 0.5) * width:.1f}" y="{below}" text-anchor="middle" {_TEXT}>'
            f"{escape(columns[column])}</text>"
        )
    return _frame(title, "".join(parts), width=max(_WIDTH, int(left + width * len(columns)) + 10), height=below + 8)


def percent(value: float) -> str:
    """A share in percent, with as many digits as it needs."""
    shown = value * 100
    digits = 0 if abs(shown) >= 100 else 1 if abs(shown) >= 10 else 2
    return f"{shown:.{digits}f} %"


def ticks(low: float, high: float) -> list[float]:
    """About four round levels between two values."""
    rough = (high - low) / 4
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= rough)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _thinned(line: Line) -> Line:
    """At most 600 points, the first and the last of them kept; of each stretch its lowest and highest value."""
    if line.x.size <= _MOST_POINTS or line.low is not None:
        return line
    bounds = np.linspace(0, line.x.size, _MOST_POINTS // 2 - 1).astype(int)
    kept = {0, line.x.size - 1}
    for begin, end in pairwise(bounds.tolist()):
        kept |= {begin + int(np.argmin(line.y[begin:end])), begin + int(np.argmax(line.y[begin:end]))}
    places = sorted(kept)
    return Line(line.name, line.x[places], line.y[places], line.color)


def _points(x: Array, y: Array) -> list[str]:
    return [f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True) if math.isfinite(b)]


def _frame(title: str, content: str, *, width: int = _WIDTH, height: int = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%;height:auto" role="img"'
        f' aria-label="{escape(title, quote=True)}"><text x="0" y="16" {_TEXT} font-weight="bold">{escape(title)}'
        f"</text>{content}</svg>"
    )
