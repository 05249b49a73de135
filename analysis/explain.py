"""Why a condition fires on a candle, or why it does not: the truth of every part of it, with what was compared.

Computed on demand from the candles, for any candle; the result agrees with a tick and with a scan. The tree is the
condition as it was written; each of its nodes has the truth of what it desugars to.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from analysis.valuation import Valuation
from common.errors import CandlesMissing
from common.grids import WEEKDAYS
from common.timeframes import from_ms, show_time
from common.zones import zone
from condition_hub.explanation import CandleExplanation, Distance, Explained, Freshness, Reading, Truth, Verdict
from engine.calendars import AnyCalendars, as_calendars
from engine.candle_history import AnyHistory, has_candles
from engine.program import FALSE, TRUE
from indicators.catalogue import find
from registry.conditions import Condition
from registry.groups import Series
from registry.language.arithmetic import shifted
from registry.language.as_text.text import to_text
from registry.language.desugar import desugar
from registry.language.lookback import lookback_of
from registry.language.outline import head
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Trend, children_of, operands_of
from registry.language.time_windows import During
from registry.language.tree import (
    Comparison,
    IndicatorOutput,
    Node,
    Number,
    Operand,
    Variable,
    comparisons,
    nested_source,
    variables,
)

TRUTHS: tuple[Truth, Truth, Truth] = ("FALSE", "UNKNOWN", "TRUE")
"""Indexed by the engine's numbers for them."""


def explain(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    calendars: AnyCalendars | None = None,
    *,
    at_ms: int | None = None,
) -> CandleExplanation:
    """Explain the last candle that had closed by ``at_ms``, by default the newest.

    ``histories`` has the candles of each series that the condition reads, oldest first, from the anchor on;
    ``calendars`` says which instruments trade in sessions, and on which grids series are. Raises
    :class:`common.errors.CandlesMissing` for a series without candles.
    """
    missing = [series for series in condition.all_series if not has_candles(histories.get(series))]
    if missing:
        raise CandlesMissing(f"no candles of {', '.join(missing)}; import some: hub candles import FILE")
    known = as_calendars(calendars)
    until_ms = None if at_ms is None else known.of(condition.series).last_open(at_ms)
    # The candle, and the one before it.
    values = Valuation(condition, histories, known, last=2, until_ms=until_ms)
    return _Explainer(values).at(at_ms)


class _Explainer:
    def __init__(self, values: Valuation) -> None:
        self._values = values
        self._condition = values.condition
        self._base = values.condition.series

    def at(self, at_ms: int | None) -> CandleExplanation:
        values, condition = self._values, self._condition
        open_ms, row = self._candle(at_ms)
        if row is None:
            later = values.stretch(self._base).last_open_ms > open_ms
            verdict: Verdict = "no candle" if later else "waiting"
            reason = (
                f"{self._base} has no candle that opens at {show_time(open_ms)}"
                if later
                else f"the candle of {self._base} that opens at {show_time(open_ms)} has not arrived"
            )
            return self._explanation(open_ms, None, verdict, (reason,))
        truth, before = values.truth(condition.tree)[row], values.truth_before(condition.tree)[row]
        if truth == TRUE:
            if condition.momentary or before == FALSE:
                return self._explanation(open_ms, row, "fires", ())
            if before == TRUE:
                reason = (
                    "it was TRUE one step before: it fires when it becomes TRUE, and not again until it has been FALSE"
                )
                return self._explanation(open_ms, row, "true already", (reason,))
            reason = "it is TRUE, but its truth one step before is not known"
            return self._explanation(open_ms, row, "unknown before", (reason, *self._step_missing(row)))
        if truth == FALSE:
            return self._explanation(open_ms, row, "false", ("it is FALSE",))
        tree = self._explained(condition.surface, row)
        reasons = dict.fromkeys(reason for reading in _readings(tree) for reason in reading.unknown)
        return self._explanation(open_ms, row, "unknown", (*reasons, *self._step_missing(row)) or ("it is UNKNOWN",))

    def _candle(self, at_ms: int | None) -> tuple[int, int | None]:
        """Open time and row of the last candle closed by a time; no row if the slot has no candle."""
        values, calendar = self._values, self._values.stretch(self._base).calendar
        if at_ms is None:
            return int(values.opens[-1]), values.opens.size - 1
        if calendar.has_sessions:
            row = int(np.searchsorted(values.closes, at_ms, side="right")) - 1
            if row >= 0:
                return int(values.opens[row]), row
        open_ms = calendar.last_open(at_ms)
        row = int(np.searchsorted(values.opens, open_ms))
        is_there = row < values.opens.size and values.opens[row] == open_ms
        return open_ms, row if is_there else None

    def _explanation(
        self, open_ms: int, row: int | None, verdict: Verdict, reasons: tuple[str, ...]
    ) -> CandleExplanation:
        values, condition = self._values, self._condition
        tree = None if row is None else self._explained(condition.surface, row)
        close_ms = values.stretch(self._base).calendar.close(open_ms)
        return CandleExplanation(
            condition_id=condition.id,
            condition=str(condition),
            momentary=condition.momentary,
            open_time=open_ms,
            close_time=close_ms,
            verdict=verdict,
            fires=verdict == "fires",
            reasons=reasons,
            truth="UNKNOWN" if row is None else TRUTHS[values.truth(condition.tree)[row]],
            before="UNKNOWN" if row is None else TRUTHS[values.truth_before(condition.tree)[row]],
            price=None if row is None else float(values.close[row]),
            settled=None if row is None else values.settled(row),
            tree=tree,
            freshness=tuple(self._freshness(series) for series in condition.all_series),
        )

    def _freshness(self, series: Series) -> Freshness:
        stretch = self._values.stretch(series)
        return Freshness(
            series=series,
            first_open_time=stretch.first_open_ms,
            last_close_time=stretch.calendar.close(stretch.last_open_ms),
            candles=stretch.total,
        )

    def _explained(self, node: SurfaceNode, row: int) -> Explained:
        values = self._values
        judged = desugar(node, self._base)
        operands: tuple[Operand, ...] = ()
        if isinstance(node, Comparison | Crosses | Channel | PriceMove | Trend):
            operands = tuple(dict.fromkeys(_with_sources(operands_of(node))))
        return Explained(
            text=head(node, self._base) + (self._opening(node, row) if isinstance(node, During) else ""),
            truth=TRUTHS[values.truth(judged)[row]],
            before=TRUTHS[values.truth_before(judged)[row]],
            readings=tuple(self._reading(operand, row) for operand in operands if not isinstance(operand, Number)),
            distances=tuple(self._distances(node, judged, row)),
            children=tuple(self._explained(child, row) for child in children_of(node)),
        )

    def _opening(self, window: During, row: int) -> str:
        """When a candle opens by the clock of a window's zone."""
        opens = from_ms(int(self._values.opens[row])).astimezone(zone(window.zone))
        return f": it opens on {WEEKDAYS[opens.weekday()]} at {opens:%H:%M} in {window.zone}"

    def _reading(self, operand: Operand, row: int) -> Reading:
        now = self._values.value(operand)
        return Reading(
            text=self._text(operand),
            now=_finite(now[row]),
            before=_finite(self._values.before(now)[row]),
            unknown=tuple(self._why_unknown(operand, row)),
        )

    def _distances(self, node: SurfaceNode, judged: Node, row: int) -> Iterator[Distance]:
        match node:
            case Comparison(_, left, right) | Crosses(left, right):
                yield from self._distance(left, right, row)
            case Channel(_, value, low, high):
                yield from self._distance(value, low, row)
                yield from self._distance(value, high, row)
            case Trend(_, value):
                yield from self._distance(value, shifted(value, 1), row)
            case PriceMove():
                # Of all the steps that it looks back over, the one with the largest move.
                sides = [(part.left, part.right) for part in _differences(judged)]
                distances = [distance for left, right in sides for distance in self._distance(left, right, row)]
                if distances:
                    yield max(distances, key=lambda distance: distance.absolute)

    def _distance(self, left: Operand, right: Operand, row: int) -> Iterator[Distance]:
        a, b = self._values.value(left)[row], self._values.value(right)[row]
        apart = _finite(a - b)
        if apart is not None:
            relative = _finite(apart / abs(b)) if b != 0 else None
            yield Distance(left=self._text(left), right=self._text(right), absolute=apart, relative=relative)

    def _why_unknown(self, operand: Operand, row: int) -> Iterator[str]:
        if np.isfinite(self._values.value(operand)[row]):
            return
        parts = list(dict.fromkeys(variables(operand)))
        unknown = [part for part in parts if not np.isfinite(self._values.value(part)[row])]
        for part in unknown:
            yield self._why_unread(part, row)
        if not unknown:
            yield f"{self._text(operand)} is not a finite number: it divides by 0 or is too large"

    def _why_unread(self, variable: Variable, row: int) -> str:
        values, text = self._values, self._text(variable)
        at = values.row(variable.series, row)
        if at < 0:
            calendar = values.stretch(variable.series).calendar
            seen = show_time(calendar.close(calendar.last_open(int(values.closes[row]))))
            return f"{text}: {variable.series} has no candle that closes at {seen}"
        stretch = values.stretch(variable.series)
        if stretch.runs[at] < variable.offset:
            gap = show_time(int(stretch.opens[at - stretch.runs[at]]))
            return f"{text}: {variable.offset} steps back there is no candle, or one is missing before {gap}"
        needed, there = lookback_of(variable) + 1, stretch.earlier + at + 1 - variable.offset
        if isinstance(variable, IndicatorOutput) and there < needed:
            return f"{text} needs {needed} candles of {variable.series} and has {there}"
        undefined = find(variable.indicator).undefined if isinstance(variable, IndicatorOutput) else ""
        return f"{undefined}: {text} is not defined" if undefined else f"{text} has no finite value"

    def _step_missing(self, row: int) -> tuple[str, ...]:
        if self._values.steps_back[row]:
            return ()
        return (
            f"it is the first candle of {self._base}"
            if self._values.candles(self._base, row) == 1
            else "the candle one step before is missing",
        )

    def _text(self, operand: Operand) -> str:
        return to_text(operand, self._base, short=True)


def _differences(judged: Node) -> Iterator[Comparison]:
    """The comparisons of a move that say how far it moved; a percentage has others, which say that it began above 0."""
    for part in comparisons(judged):
        if part.operator == ">=":
            yield part


def _with_sources(operands: Iterable[Operand]) -> Iterator[Operand]:
    """Operands, each followed by what its indicators are computed from, unless that is a column of their candles."""
    for operand in operands:
        yield operand
        for variable in variables(operand):
            source = nested_source(variable)
            if source is not None:
                yield from _with_sources([source])


def _readings(node: Explained) -> Iterator[Reading]:
    yield from node.readings
    for child in node.children:
        yield from _readings(child)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
