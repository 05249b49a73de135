"""When a condition would have fired on a span of stored candles, whether it is registered or not.

For its truth on the newest candle alone see :mod:`analysis.now`, for what the hub knows of it :mod:`analysis.standing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from common.errors import CandlesMissing
from common.timeframes import DURATION_MS
from engine.calendars import AnyCalendars, as_calendars
from engine.candle_history import AnyHistory, as_history, has_candles
from engine.history import NO_TRIGGERS, HistoryEvaluator, span_of
from engine.plan import make_plan
from registry.conditions import Condition
from registry.groups import Series


@dataclass(frozen=True)
class PreviewScan:
    """A scan of the candles that close after ``start_ms`` and by ``end_ms``."""

    start_ms: int
    end_ms: int
    candles: int
    """Of the condition's own series."""
    triggers: pl.DataFrame
    """As :func:`analysis.scan` gives them, oldest first."""


def previewed_span(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    start_ms: int | None,
    end_ms: int | None,
    calendars: AnyCalendars | None = None,
) -> tuple[int, int]:
    """The span that a preview covers, where it was not said: a year, up to the newest candle."""
    calendar = as_calendars(calendars).of(condition.series)
    end = calendar.close(as_history(histories[condition.series]).last_open_ms) if end_ms is None else end_ms
    return end - YEAR_MS if start_ms is None else start_ms, end


YEAR_MS = 365 * DURATION_MS["1d"]


def preview(
    condition: Condition,
    histories: Mapping[Series, AnyHistory],
    calendars: AnyCalendars | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> PreviewScan:
    """Scan histories from their first candles, so that indicators have the values that they have live, and keep the
    triggers of a span.

    By default the span ends with the newest candle, and begins a year before its end. Raises
    :class:`common.errors.CandlesMissing` for a series without candles.
    """
    missing = [series for series in condition.all_series if not has_candles(histories.get(series))]
    if missing:
        raise CandlesMissing(f"no candles of {', '.join(missing)}; they must be imported before a preview")
    known = as_calendars(calendars)
    start, end = previewed_span(condition, histories, start_ms, end_ms, known)
    plan = make_plan([condition])
    streams = {series: as_history(histories[series]) for series in plan.series}
    evaluator = HistoryEvaluator(plan, streams, known, span=span_of(plan))
    candles = 0
    frames = [NO_TRIGGERS.clone()]
    for rows in evaluator.rows(from_ms=known.of(condition.series).last_open(start)):
        if rows.ends[0] > end:
            break
        is_asked = (rows.ends > start) & (rows.ends <= end)
        candles += int(is_asked.sum())
        at, which = evaluator.judge(rows)
        kept = is_asked[at]
        if kept.any():
            frames.append(evaluator.trigger_frame(rows, at[kept], which[kept]))
    return PreviewScan(start_ms=start, end_ms=end, candles=candles, triggers=pl.concat(frames))
