"""A simulation in a notebook: its figures, price and executions, gain, and deals, with nothing loaded from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from analysis.backtesting.plots import ACCENT, AGAINST, SECOND, ticks
from bots.simulation import Simulation
from bots.simulation_figures import LEFT, SHOWN_DEALS, deal_columns, facts_of, money
from common.timeframes import show_time
from indicators.compute import Array

_WIDTH, _LEFT, _RIGHT = 720, 70, 12
_PRICE, _GAIN, _TOP, _BOTTOM, _SPACE = 210, 110, 24, 22, 26
_MOST_POINTS, _MOST_MARKS = 600, 400
_TEXT = 'font-family="sans-serif" font-size="11" fill="currentColor"'
_CELL = "padding:2px 12px 2px 0;text-align:"
_TABLE = '<table style="border-collapse:collapse;font-size:13px">'


def simulation_html(simulation: Simulation[Any]) -> str:
    """The whole of it."""
    title = f"{simulation.bot_id} on {simulation.series}"
    return (
        f'<div class="hub-report"><h4>{escape(title)}</h4>{_facts(facts_of(simulation))}'
        f"{simulation_plot(simulation)}{_deals(simulation)}</div>"
    )


def page(simulation: Simulation[Any]) -> str:
    """The same as a page of its own."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(f'{simulation.bot_id} on {simulation.series}')}</title></head>"
        f'<body style="font-family:sans-serif;margin:1.5rem">{simulation_html(simulation)}</body></html>'
    )


def simulation_plot(simulation: Simulation[Any]) -> str:
    """Two panels over one axis of time: the price with the bot's executions, and the bot's gain.

    An SVG that takes the colour of the text around it, so that it reads on light and on dark pages.
    """
    equity = simulation.equity
    times = equity["time"].dt.epoch("ms").to_numpy().astype(np.float64)
    height = _TOP + _PRICE + _SPACE + _GAIN + _BOTTOM
    first, last = float(times[0]), float(times[-1])

    def x_of(time: Array) -> Array:
        return _LEFT + (time - first) / max(last - first, 1.0) * (_WIDTH - _LEFT - _RIGHT)

    fills = _thinned_fills(simulation.fills)
    prices = equity["price"].to_numpy()
    price = _Panel(_TOP, _PRICE, np.concatenate([prices, fills["price"].to_numpy()]))
    gain = _Panel(_TOP + _PRICE + _SPACE, _GAIN, np.concatenate([equity["gain"].to_numpy(), [0.0]]))
    parts = [
        _label(0, 15, f"price of {simulation.series.instrument.symbol}, bought ▲, sold ▼"),
        *price.grid(),
        _line(x_of(times), price.y_of(prices), SECOND),
        *_marks(fills, x_of, price),
        _label(0, gain.top - 9, "gain in quote, after fees, coins at the close"),
        *gain.grid(),
        gain.area(x_of(times), equity["gain"].to_numpy()),
        _line(x_of(times), gain.y_of(equity["gain"].to_numpy()), ACCENT),
    ]
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = first + share * (last - first)
        x = float(x_of(np.array([at]))[0])
        parts.append(
            f'<text x="{x:.1f}" y="{height - 6}" text-anchor="{anchor}" {_TEXT}>{escape(show_time(int(at)))}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" style="max-width:100%;height:auto" role="img"'
        f' aria-label="price with executions, and gain of {escape(simulation.bot_id, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )


class _Panel:
    """A part of the plot with an axis of its own; ``values`` are all that has to be seen in it."""

    def __init__(self, top: int, height: int, values: Array) -> None:
        low, high = float(values.min()), float(values.max())
        if high <= low:
            low, high = low - abs(low) * 0.01 - 1e-9, high + abs(high) * 0.01 + 1e-9
        self.top, self._height, self._low, self._high = top, height, low, high

    def y_of(self, values: Array) -> Array:
        """Where values are."""
        return self.top + self._height - (values - self._low) / (self._high - self._low) * self._height

    def grid(self) -> Iterable[str]:
        """Lines at round values, with their names."""
        for level in ticks(self._low, self._high):
            y = float(self.y_of(np.array([level]))[0])
            strength = 0.45 if level == 0 else 0.12
            yield (
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor"'
                f' stroke-opacity="{strength}"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>{escape(f"{level:,.10g}")}</text>'
            )

    def area(self, x: Array, values: Array) -> str:
        """What lies between a line and zero."""
        zero = float(self.y_of(np.array([0.0]))[0])
        points = " ".join(_points(x, self.y_of(values)))
        return (
            f'<polygon points="{x[0]:.1f},{zero:.1f} {points} {x[-1]:.1f},{zero:.1f}" fill="{ACCENT}"'
            ' fill-opacity="0.15"/>'
        )


def _marks(fills: pl.DataFrame, x_of: Any, panel: _Panel) -> Iterable[str]:
    """A triangle for each execution: below its price if bought, above if sold."""
    x = x_of(fills["time"].dt.epoch("ms").to_numpy().astype(np.float64))
    y = panel.y_of(fills["price"].to_numpy())
    for at, level, fill in zip(x.tolist(), y.tolist(), fills.iter_rows(named=True), strict=True):
        is_buy = fill["side"] == "buy"
        color, back = (ACCENT, 8) if is_buy else (AGAINST, -8)
        told = f"{fill['purpose']}: {fill['side']} {fill['quantity']:,.8g} at {money(fill['price'])}"
        yield (
            f'<path d="M{at:.1f} {level:.1f}l-4.5 {back}h9z" fill="{color}" fill-opacity="0.85">'
            f"<title>{escape(told)}</title></path>"
        )


def _thinned_fills(fills: pl.DataFrame) -> pl.DataFrame:
    """At most as many as can be told apart."""
    return fills.gather_every(-(-fills.height // _MOST_MARKS)) if fills.height else fills


def _line(x: Array, y: Array, color: str) -> str:
    return f'<polyline points="{" ".join(_points(x, y))}" fill="none" stroke="{color}" stroke-width="1.5"/>'


def _points(x: Array, y: Array) -> list[str]:
    """Points of a line, at most 600: of each stretch of a longer one its lowest and its highest."""
    places = range(x.size)
    if x.size > _MOST_POINTS:
        bounds = np.linspace(0, x.size, _MOST_POINTS // 2).astype(int)
        chosen = {0, x.size - 1}
        for begin, end in pairwise(bounds.tolist()):
            chosen |= {begin + int(np.argmin(y[begin:end])), begin + int(np.argmax(y[begin:end]))}
        return [f"{x[place]:.1f},{y[place]:.1f}" for place in sorted(chosen)]
    return [f"{x[place]:.1f},{y[place]:.1f}" for place in places]


def _label(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" {_TEXT} font-weight="bold">{escape(text)}</text>'


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = (
        f'<tr><td style="{_CELL}left;opacity:0.7">{escape(name)}</td><td style="{_CELL}left">{escape(text)}</td></tr>'
        for name, text in facts
    )
    return f"{_TABLE}{''.join(rows)}</table>"


def _deals(simulation: Simulation[Any]) -> str:
    if simulation.deals.is_empty():
        return ""
    columns = deal_columns(simulation)
    sides = {name: "left" if name in LEFT else "right" for name in columns}
    header = "".join(f'<th style="{_CELL}{sides[name]}">{escape(name)}</th>' for name in columns)
    rows = (
        "".join(
            f'<td style="{_CELL}{sides[name]}">{escape(cell)}</td>' for name, cell in zip(columns, row, strict=True)
        )
        for row in zip(*columns.values(), strict=True)
    )
    more = simulation.deals.height - SHOWN_DEALS
    rest = f"<p>and {more:,} before; <code>.deals</code> has all</p>" if more > 0 else ""
    return f"{_TABLE}<tr>{header}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>{rest}"
