"""When a condition would have fired on stored candles, without registering it."""

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
class Preview:
    """What a scan found among the candles that close after ``start_ms`` and by ``end_ms``."""

    start_ms: int
    end_ms: int
    candles: int
    """Of the condition's own series."""
    triggers: pl.DataFrame
    """As :func:`analysis.scan` gives them, oldest first."""

    @property
    def count(self) -> int:
        """How often it would have fired."""
        return self.triggers.height


YEAR_MS = 365 * DURATION_MS["1d"]


def preview(
    condition: Condition,
    histories: Mapping[Series, pl.DataFrame],
    calendars: Mapping[str, Calendar] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> Preview:
    """Scan whole histories, so that indicators have the values that they have live, and count those of a span.

    The span ends with the newest candle and begins a year before its end where nothing is said. Raises
    :class:`common.errors.CandlesMissing` for a series without candles.
    """
    missing = [series for series in condition.all_series if histories.get(series, _NOTHING).is_empty()]
    if missing:
        raise CandlesMissing(f"no candles of {', '.join(missing)}; nothing can be previewed before they are imported")
    length = DURATION_MS[condition.timeframe]
    closes = histories[condition.series]["open_time"].dt.epoch("ms") + length
    end = int(closes[-1]) if end_ms is None else end_ms
    start = end - YEAR_MS if start_ms is None else start_ms
    triggers = scan([condition], pl.concat(histories.values(), how="diagonal"), calendars=calendars)
    fired = triggers["close_time"].dt.epoch("ms")
    return Preview(
        start_ms=start,
        end_ms=end,
        candles=int(((closes > start) & (closes <= end)).sum()),
        triggers=triggers.filter((fired > start) & (fired <= end)),
    )


_NOTHING = pl.DataFrame()
