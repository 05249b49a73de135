"""What analysts ask about one condition, with candles and times as people have them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from analysis.explain import explain as explain_candle
from analysis.preview import as_preview
from analysis.preview import preview as preview_span
from common.errors import TimeFormatError
from common.grids import Grid
from common.timeframes import Moment, read_moment
from condition_hub.explanation import CandleExplanation, Preview
from engine.calendars import AnyCalendars
from engine.candle_frames import ConditionSource, read_conditions
from engine.scanning import judged_histories

if TYPE_CHECKING:
    import pandas as pd


def preview(
    condition: ConditionSource,
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    last: int = 1000,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
) -> Preview:
    """How often and when a condition would have fired on candles that close after ``start`` and by ``end``.

    ``candles`` are those of :func:`analysis.scan`; by default the span is the last year of them. Times are dates,
    ``datetime``, ISO text or milliseconds, UTC unless they say otherwise. ``last`` is how many triggers to list, newest
    first. Raises what :func:`analysis.scan` raises, and :class:`common.errors.TimeFormatError`.
    """
    (parsed,) = read_conditions(condition, exchange)
    histories, known = judged_histories([parsed], candles, exchange=exchange, calendars=calendars, grids=grids)
    start_ms, end_ms = read_moment(start), read_moment(end)
    if start_ms is not None and end_ms is not None and start_ms >= end_ms:
        raise TimeFormatError(f"start {start!r} is not before end {end!r}; name a span that has candles")
    scan = preview_span(parsed, histories, known, start_ms=start_ms, end_ms=end_ms)
    return as_preview(scan, parsed, last=last)


def explain(
    condition: ConditionSource,
    candles: "pl.DataFrame | pd.DataFrame",
    *,
    at: Moment | None = None,
    exchange: str = "BINANCE",
    calendars: AnyCalendars | None = None,
    grids: Mapping[str, Grid | str] | None = None,
) -> CandleExplanation:
    """Why a condition fires on the last candle closed by ``at``, by default the newest, or why it does not.

    ``candles`` are those of :func:`analysis.scan`, ``at`` is a date, a ``datetime``, ISO text or milliseconds, UTC
    unless it says otherwise. Raises what :func:`analysis.scan` raises, and :class:`common.errors.TimeFormatError`.
    """
    (parsed,) = read_conditions(condition, exchange)
    histories, known = judged_histories([parsed], candles, exchange=exchange, calendars=calendars, grids=grids)
    return explain_candle(parsed, histories, known, at_ms=read_moment(at))
