"""Conditions judged slot by slot, straight from the words of the language: slow, and sharing nothing with the plan.

Indicator values come from ``indicators.compute`` over the candles that exist; they have oracles of their own.
"""

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import polars as pl

import indicators
from registry.conditions import Condition
from registry.expression import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Comparison,
    Every,
    For,
    IndicatorOutput,
    Node,
    Not,
    Number,
    Operand,
    Price,
    Series,
    Within,
)
from registry.timeframes import DURATION_MS, slot_at_or_before

FALSE, UNKNOWN, TRUE = 0, 1, 2
WEEK_MS = 7 * 24 * 3_600_000


class Oracle:
    """Judges one condition on histories: series name -> candles, oldest first."""

    def __init__(self, histories: Mapping[str, pl.DataFrame], calendars: Mapping[str, str]) -> None:
        self._histories = histories
        self._calendars = calendars
        self._opens = {name: history["open_time"].dt.epoch("ms").to_list() for name, history in histories.items()}
        self._row = {name: {open_ms: row for row, open_ms in enumerate(opens)} for name, opens in self._opens.items()}
        self.truth = cache(self._truth)
        self._values = cache(self._compute)

    def fires(self, condition: Condition) -> list[int]:
        """Open times of the candles on which a condition fires."""
        return [open_ms for open_ms in self._opens[str(condition.series)] if self._fires(condition, open_ms)]

    def _fires(self, condition: Condition, open_ms: int) -> bool:
        base, tree = condition.series, condition.tree
        if self.truth(base, tree, open_ms) != TRUE:
            return False
        before = self._step_before(base, open_ms)
        return condition.momentary or (before is not None and self.truth(base, tree, before) == FALSE)

    def _truth(self, base: Series, node: Node, open_ms: int) -> int:
        match node:
            case Comparison(operator, left, right):
                return self._compare(base, operator, left, right, open_ms)
            case Not(child):
                return TRUE - self.truth(base, child, open_ms)
            case Every(child):
                return self.truth(base, child, open_ms)
            case All(children):
                return min(self.truth(base, child, open_ms) for child in children)
            case Any(children):
                return max(self.truth(base, child, open_ms) for child in children)
            case AtLeast(count, children):
                found = [self.truth(base, child, open_ms) for child in children]
                if found.count(TRUE) >= count:
                    return TRUE
                return FALSE if found.count(TRUE) + found.count(UNKNOWN) < count else UNKNOWN
            case For(child, bars):
                return min(self._last(base, child, open_ms, bars))
            case Within(child, bars):
                return max(self._last(base, child, open_ms, bars))
        raise TypeError(node)

    def _last(self, base: Series, node: Node, open_ms: int, bars: int) -> list[int]:
        """Truths at the last slots; from the first missing one on they are unknown."""
        found = []
        at: int | None = open_ms
        for _ in range(bars):
            found.append(UNKNOWN if at is None else self.truth(base, node, at))
            at = None if at is None else self._step_before(base, at)
        return found

    def _compare(self, base: Series, operator: str, left: Operand, right: Operand, open_ms: int) -> int:
        now = (self._value(base, left, open_ms), self._value(base, right, open_ms))
        if operator.startswith("crosses"):
            at = self._step_before(base, open_ms)
            before = (math.nan, math.nan) if at is None else (self._value(base, left, at), self._value(base, right, at))
            above = operator == "crosses_above"
            return min(_kleene(">" if above else "<", *now), _kleene("<=" if above else ">=", *before))
        return _kleene(operator, *now)

    def _value(self, base: Series, operand: Operand, open_ms: int) -> float:
        match operand:
            case Number(value):
                return value
            case Arithmetic(operator, left, right):
                a, b = np.float64(self._value(base, left, open_ms)), np.float64(self._value(base, right, open_ms))
                with np.errstate(all="ignore"):
                    return float({"+": a + b, "-": a - b, "*": a * b, "/": a / b}[operator])
        series = operand.series
        at = open_ms if series == base else self._last_closed(series, open_ms + DURATION_MS[base.timeframe])
        for _ in range(operand.offset):
            at = None if at is None else self._step_before(series, at)
        row = None if at is None else self._row[str(series)].get(at)
        return math.nan if row is None else float(self._values(_undelayed(operand))[row])

    def _step_before(self, series: Series, open_ms: int) -> int | None:
        opens = self._opens[str(series)]
        if not self._has_sessions(series):
            before = open_ms - DURATION_MS[series.timeframe]
            return before if before in self._row[str(series)] else None
        row = self._row[str(series)].get(open_ms, 0)
        return opens[row - 1] if row > 0 and open_ms - opens[row - 1] <= WEEK_MS else None

    def _last_closed(self, series: Series, time_ms: int) -> int | None:
        length = DURATION_MS[series.timeframe]
        if not self._has_sessions(series):
            open_ms = slot_at_or_before(time_ms, series.timeframe) - length
            return open_ms if open_ms in self._row[str(series)] else None
        closed = [open_ms for open_ms in self._opens[str(series)] if open_ms + length <= time_ms]
        return closed[-1] if closed and time_ms - (closed[-1] + length) <= WEEK_MS else None

    def _has_sessions(self, series: Series) -> bool:
        return self._calendars.get(str(series.instrument)) == "sessions"

    def _compute(self, operand: Price | IndicatorOutput) -> np.ndarray:
        from indicators.compute import source_array

        history = self._histories[str(operand.series)]
        if isinstance(operand, Price):
            return source_array(history, operand.field)
        found = indicators.compute(operand.indicator, history, source=operand.source, **dict(operand.parameters))
        return found[operand.output]


def _undelayed(operand: Price | IndicatorOutput) -> Price | IndicatorOutput:
    from dataclasses import replace

    return replace(operand, offset=0)


def _kleene(operator: str, a: float, b: float) -> int:
    if not (math.isfinite(a) and math.isfinite(b)):
        return UNKNOWN
    return TRUE if {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator] else FALSE
