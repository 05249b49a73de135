"""When a condition would have fired on a span of stored candles, whether it is registered or not.

For its truth on the newest candle alone see :mod:`analysis.now`, for what the hub knows of it :mod:`analysis.standing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.stretches import Stretch
from analysis.valuation import Valuation, reach_of
from common.errors import CandlesMissing
from common.timeframes import DURATION_MS
from condition_hub.explanation import BulkPreview, Preview, PreviewedTriggers, PreviewTrigger
from engine.calendars import AnyCalendars, as_calendars
from engine.candle_history import AnyHistory, as_history, has_candles
from engine.history import NO_TRIGGERS, HistoryEvaluator, span_of
from engine.plan import make_plan
from engine.read_alike import memory
from registry.conditions import Condition
from registry.groups import Series
from registry.language.tree import variables

_ROWS = 65_536
"""Candles that are judged at once: their columns fit into the processor's cache."""


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


def preview_of_stretches(
    condition: Condition, stretches: Mapping[Series, Stretch], *, start_ms: int, end_ms: int
) -> PreviewScan:
    """:func:`preview` of a span from values that are at hand: of whole histories, with what the condition's tree reads.

    The condition is judged by :mod:`analysis.valuation`: for one condition, whole columns are compared faster than the
    engine moves from candle to candle.
    """
    own, read = stretches[condition.series], dict.fromkeys(variables(condition.tree))
    reach = reach_of(condition, read)
    back = memory(condition.tree) + reach[condition.series] + 1
    first, stop = (
        int(np.searchsorted(own.opens, own.calendar.last_open(time_ms), side="right")) for time_ms in (start_ms, end_ms)
    )
    fired: list[_Fired] = []
    for begin in range(first, stop, _ROWS):
        base = own.part(max(0, begin - back), min(begin + _ROWS, stop))
        closes = base.calendar.close(base.opens[[0, -1]])
        parts = {condition.series: base}
        for series in condition.all_series[1:]:
            other = stretches[series]
            seen = np.searchsorted(other.opens, other.calendar.last_open(closes), side="right")
            parts[series] = other.part(max(0, int(seen[0]) - 1 - reach[series]), int(seen[1]))
        values = Valuation.over(condition, parts)
        rows = np.flatnonzero(values.fires())
        rows = rows[rows >= min(begin, back)]
        opens = values.opens[rows]
        fired.append((opens, base.calendar.close(opens), values.close[rows], values.has_settled(rows)))
    return PreviewScan(
        start_ms=start_ms, end_ms=end_ms, candles=max(0, stop - first), triggers=_trigger_frame(condition, fired)
    )


def as_preview(
    scan: PreviewScan, condition: Condition, *, last: int, registered: bool = False, subscribers: int | None = None
) -> Preview:
    """A scan as it is shown, with its ``last`` newest triggers; the rest is what a hub knows of the condition."""
    days = scan.candles * DURATION_MS[condition.timeframe] / DURATION_MS["1d"]
    newest = scan.triggers.tail(last).reverse() if last else scan.triggers.clear()
    return Preview(
        condition_id=condition.id,
        condition=str(condition),
        canonical=condition.canonical,
        registered=registered,
        start=scan.start_ms,
        end=scan.end_ms,
        candles=scan.candles,
        triggers=scan.triggers.height,
        per_day=scan.triggers.height / days if days else None,
        last=tuple(
            PreviewTrigger(open_time=opened, close_time=closed, price=price, settled=settled)
            for opened, closed, price, settled in zip(
                newest["open_time"].cast(pl.Int64).to_list(),
                newest["close_time"].cast(pl.Int64).to_list(),
                newest["price"].to_list(),
                newest["settled"].to_list(),
                strict=True,
            )
        ),
        subscribers=subscribers,
    )


def as_bulk_preview(
    scans: Sequence[tuple[Condition, PreviewScan]], *, start_ms: int, end_ms: int, most: int
) -> BulkPreview:
    """Scans of one span as a page of at most ``most`` triggers, more only where one close time has more."""
    closes = [scan.triggers["close_time"].cast(pl.Int64).to_numpy() for _, scan in scans]
    together = np.sort(np.concatenate(closes)) if closes else np.array([], np.int64)
    until = end_ms
    if together.size > most:
        # All triggers of a close time are on one page: whoever goes on asks for later ones.
        before = together[together < together[most]]
        until = int(before[-1] if before.size else together[most])
    previews = []
    for condition, scan in scans:
        shown = scan.triggers.filter(pl.col("close_time").cast(pl.Int64) <= until)
        previews.append(
            PreviewedTriggers(
                condition_id=condition.id,
                condition=str(condition),
                open_times=tuple(shown["open_time"].cast(pl.Int64).to_list()),
                close_times=tuple(shown["close_time"].cast(pl.Int64).to_list()),
                settled=tuple(shown["settled"].to_list()),
            )
        )
    return BulkPreview(start=start_ms, until=until, end=end_ms, previews=tuple(previews))


_Fired = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]
"""Of some triggers: open times, close times, prices, whether indicators had settled."""


def _trigger_frame(condition: Condition, fired: Sequence[_Fired]) -> pl.DataFrame:
    if not any(opens.size for opens, *_ in fired):
        return NO_TRIGGERS.clone()
    opens, closes, prices, settled = (np.concatenate(columns) for columns in zip(*fired, strict=True))
    symbol, timeframe, moment = condition.series.instrument.symbol, condition.timeframe, pl.Datetime("ms", "UTC")
    names = {"condition_id": condition.id, "condition": condition.text, "symbol": symbol, "timeframe": timeframe}
    return pl.DataFrame(
        {
            **{column: pl.Series([name]).new_from_index(0, opens.size) for column, name in names.items()},
            "open_time": pl.Series(opens).cast(moment),
            "close_time": pl.Series(closes).cast(moment),
            "price": prices,
            "settled": settled,
        }
    )
