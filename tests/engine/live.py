"""Runs parts over histories as a tick would: slot by slot, with cold starts wherever a test wants them."""

from collections.abc import Iterable, Mapping

import polars as pl

from common.candle_columns import VALUES
from engine.calendars import AnyCalendars, SeriesCalendar, as_calendars
from engine.evaluate import FiredCondition
from engine.part import LoadSlot, Part, SeriesHistory
from engine.plan import make_plan
from flows.part_builder import make_plan_group
from registry.conditions import Condition
from registry.groups import Series, series_of


def histories_of(candles: pl.DataFrame) -> dict[Series, pl.DataFrame]:
    """Series -> its candles, oldest first."""
    return {
        series_of(*map(str, key)): history.sort("open_time")
        for key, history in candles.partition_by("exchange", "symbol", "timeframe", as_dict=True).items()
    }


def loader(histories: Mapping[Series, pl.DataFrame]) -> LoadSlot:
    """What a store would load for a slot."""
    rows: dict[tuple[str, int], dict[Series, tuple[float, ...]]] = {}
    for series, history in histories.items():
        for open_ms, row in zip(history["open_time"].dt.epoch("ms"), history.select(VALUES).rows(), strict=True):
            rows.setdefault((series.timeframe, open_ms), {})[series] = row
    return lambda timeframe, open_ms: rows.get((timeframe, open_ms), {})


def make_part(
    conditions: Iterable[Condition],
    histories: Mapping[Series, pl.DataFrame],
    reached_ms: int,
    calendars: AnyCalendars | None = None,
) -> Part:
    """A cold part of conditions whose groups have all reached the same time."""
    plan, known = make_plan(conditions), as_calendars(calendars)
    index = {series: position for position, series in enumerate(plan.series)}
    groups = dict.fromkeys(condition.group for condition in plan.conditions)
    return Part(
        plan,
        [make_plan_group(group, index) for group in groups],
        dict.fromkeys(groups, reached_ms),
        list(map(known.of, plan.series)),
        {
            series: SeriesHistory(
                int(candles["open_time"].dt.epoch("ms")[0]), candles.filter(_closed(known.of(series), reached_ms))
            )
            for series, candles in histories.items()
            if series in index
        },
    )


def _closed(calendar: SeriesCalendar, reached_ms: int) -> pl.Expr:
    return pl.col("open_time").dt.epoch("ms") <= calendar.last_open(reached_ms)


def run_live(
    conditions: list[Condition],
    histories: Mapping[Series, pl.DataFrame],
    first_open_ms: int,
    slots: int,
    restarts: set[int],
    calendars: AnyCalendars | None = None,
) -> list[tuple[int, FiredCondition]]:
    """(open time, what fired) slot by slot; a new part is built from the candles at each of ``restarts``."""
    grid = as_calendars(calendars).of(conditions[0].series).slots
    begin = grid.number(first_open_ms)
    load = loader(histories)
    fired_conditions: list[tuple[int, FiredCondition]] = []
    for alone in (True, False):
        mine = [condition for condition in conditions if (len(condition.all_series) == 1) == alone]
        part: Part | None = None
        for slot in range(slots if mine else 0):
            open_ms = grid.open(begin + slot)
            if part is None or slot in restarts:
                part = make_part(mine, histories, open_ms, calendars)
            moved = part.move(part.groups, grid.close(begin + slot), load)
            fired_conditions += [(open_ms, fired) for fired in moved.fired]
    return fired_conditions
