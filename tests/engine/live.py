"""Runs parts over histories as a tick would: slot by slot, with cold starts wherever a test wants them."""

from collections.abc import Iterable, Mapping

import polars as pl

from common.candle_columns import VALUES
from common.timeframes import DURATION_MS
from engine.calendars import calendar_of
from engine.evaluate import Fired
from engine.part import Load, Part, SeriesHistory
from engine.plan import make_plan
from flows.live import make_group
from registry.conditions import Condition
from registry.instruments import Calendar


def histories_of(candles: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Series -> its candles, oldest first."""
    return {
        f"{exchange}:{symbol} {timeframe}": part.sort("open_time")
        for (exchange, symbol, timeframe), part in candles.partition_by(
            "exchange", "symbol", "timeframe", as_dict=True
        ).items()
    }


def loader(histories: Mapping[str, pl.DataFrame]) -> Load:
    """What a store would load for a slot."""
    rows: dict[tuple[str, int], dict[str, tuple[float, ...]]] = {}
    for name, history in histories.items():
        timeframe = name.rsplit(" ", 1)[1]
        for open_ms, row in zip(history["open_time"].dt.epoch("ms"), history.select(VALUES).rows(), strict=True):
            rows.setdefault((timeframe, open_ms), {})[name] = row
    return lambda timeframe, open_ms: rows.get((timeframe, open_ms), {})


def make_part(
    conditions: Iterable[Condition],
    histories: Mapping[str, pl.DataFrame],
    reached_ms: int,
    calendars: Mapping[str, Calendar] | None = None,
) -> Part:
    """A cold part of conditions whose groups have all reached the same time."""
    by_group: dict[str, Condition] = {}
    for condition in conditions:
        by_group.setdefault(condition.group, condition)
    plan = make_plan(conditions)
    index = {series: position for position, series in enumerate(plan.series)}
    return Part(
        plan,
        [make_group(condition, index) for condition in by_group.values()],
        dict.fromkeys(by_group, reached_ms),
        [calendar_of(series, calendars or {}) for series in plan.series],
        {
            name: SeriesHistory(int(candles["open_time"].dt.epoch("ms")[0]), candles.filter(_closed(name, reached_ms)))
            for name, candles in histories.items()
            if name in {str(series) for series in plan.series}
        },
    )


def _closed(name: str, reached_ms: int) -> pl.Expr:
    length = DURATION_MS[name.rsplit(" ", 1)[1]]
    return pl.col("open_time").dt.epoch("ms") + length <= reached_ms


def run_live(
    conditions: list[Condition],
    histories: Mapping[str, pl.DataFrame],
    first_open_ms: int,
    slots: int,
    restarts: set[int],
    calendars: Mapping[str, Calendar] | None = None,
) -> list[tuple[int, Fired]]:
    """(open time, what fired) slot by slot; a new part is built from the candles at each of ``restarts``."""
    length = DURATION_MS[conditions[0].timeframe]
    load = loader(histories)
    found: list[tuple[int, Fired]] = []
    for alone in (True, False):
        mine = [condition for condition in conditions if (len(condition.all_series) == 1) == alone]
        part: Part | None = None
        for slot in range(slots if mine else 0):
            open_ms = first_open_ms + slot * length
            if part is None or slot in restarts:
                part = make_part(mine, histories, open_ms, calendars)
            moved = part.move(part.groups, open_ms + length, load)
            found += [(open_ms, fired) for fired in moved.fired]
    return found
