"""When a condition would have fired on a span of stored candles, whether it is registered or not.

For its truth on the newest candle alone see :mod:`analysis.now`, for what the hub knows of it :mod:`analysis.standing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from common.errors import CandlesMissing
from common.timeframes import DURATION_MS
from engine.history import scan
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Calendar


@dataclass(frozen=True)
class PreviewScan:
    """A scan of the candles that close after ``start_ms`` and by ``end_ms``."""

    start_ms: int
    end_ms: int
    candles: int
    """Of the condition's own series."""
    triggers: pl.DataFrame
    """As :func:`analysis.scan` gives them, oldest first."""


YEAR_MS = 365 * DURATION_MS["1d"]


def preview(
    condition: Condition,
    histories: Mapping[Series, pl.DataFrame],
    calendars: Mapping[str, Calendar] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> PreviewScan:
    """Scan whole histories, so that indicators have the values that they have live, and keep the triggers of a span.

    By default the span ends with the newest candle, and begins a year before its end. Raises
    :class:`common.errors.CandlesMissing` for a series without candles.
    """
    missing = [series for series in condition.all_series if histories.get(series, _NOTHING).is_empty()]
    if missing:
        raise CandlesMissing(f"no candles of {', '.join(missing)}; they must be imported before a preview")
    length = DURATION_MS[condition.timeframe]
    closes = histories[condition.series]["open_time"].dt.epoch("ms") + length
    end = int(closes[-1]) if end_ms is None else end_ms
    start = end - YEAR_MS if start_ms is None else start_ms
    triggers = scan([condition], pl.concat(histories.values(), how="diagonal"), calendars=calendars)
    fired = triggers["close_time"].dt.epoch("ms")
    return PreviewScan(
        start_ms=start,
        end_ms=end,
        candles=int(((closes > start) & (closes <= end)).sum()),
        triggers=triggers.filter((fired > start) & (fired <= end)),
    )


_NOTHING = pl.DataFrame()
