"""Time windows on series whose own slots change with the clocks: live, scan, explanation and oracle agree."""

import random
from itertools import product

import polars as pl
import pytest

import analysis
from analysis.valuation import Valuation
from common.grids import Grid
from engine.calendars import Calendars
from registry.conditions import Condition
from registry.groups import series_of
from tests.engine.live import run_live
from tests.engine.oracle_slots import slots_after
from tests.engine.random_conditions import random_window
from tests.engine.slow_oracle import FALSE, TRUE, Oracle
from tests.engine.test_other_grids import HOUR, at, on_grid

GRIDS = ("EET", "America/New_York, session 09:30-16:00", "America/New_York, day 17:00", "Australia/Lord_Howe")
CHANGES: dict[str, list[tuple[int, ...]]] = {
    "EET": [(2024, 3, 31, 1), (2024, 10, 27, 1)],
    "America/New_York": [(2024, 3, 10, 7), (2024, 11, 3, 6)],
    "Australia/Lord_Howe": [(2024, 4, 6, 15), (2024, 10, 5, 15, 30)],
}
DAY = 24 * HOUR


@pytest.mark.parametrize(("grid", "timeframe"), list(product(GRIDS, ("30m", "4h", "1d"))))
def test_windows_by_any_clock_on_slots_by_another(grid: str, timeframe: str) -> None:
    """Across both changes of the year, with gaps and restarts, in the grid's own zone and in others."""
    dice = random.Random(f"{grid} {timeframe}")
    zoned = Grid.parse(grid)
    series = series_of("BINANCE", "BTCUSDT", timeframe)
    grids = {str(series.instrument): zoned}
    windows = [random_window(dice, timeframe) for _ in range(5)] + [
        window.replace(")", f", {zoned.zone})")
        for window in (random_window(dice, timeframe) for _ in range(12))
        if "/" not in window
    ]
    texts = [f"every(close > 0 and {word}{window})" for window in windows for word in ("", "not ")]
    texts += [f"(close > 0 and {window}) then close > open within 2 bars" for window in windows[:4]]
    conditions = list({(made := Condition.parse(f"BTCUSDT {timeframe}: {text}")).id: made for text in texts}.values())
    for change in CHANGES[zoned.zone]:
        reach = 40 if timeframe == "1d" else 9
        start_ms, end_ms = at(*change) - reach * DAY, at(*change) + reach * DAY // 2
        candles = on_grid(series, zoned, start_ms, end_ms)
        candles = candles.filter(pl.Series([row == 0 or dice.random() > 0.03 for row in range(candles.height)]))
        histories, calendars = {series: candles}, Calendars(grids=grids)
        scan = analysis.scan(conditions, candles, grids=grids)
        fired = dict(scan.group_by("condition_id").agg(pl.col("open_time").dt.epoch("ms").sort()).iter_rows())
        oracle = Oracle(histories, {}, grids)
        for condition in conditions:
            assert fired.get(condition.id, []) == oracle.fires(condition), condition.text
            explained = Valuation(condition, histories, calendars).truth(condition.tree)
            least, greatest = oracle.verdict(condition).truths
            assert (explained == least).all(), condition.text
            assert (least == greatest).all()
        slots = slots_after(start_ms + reach * DAY // 2, end_ms, timeframe, zoned)
        live = run_live(conditions, histories, slots[0][0], len(slots), {len(slots) // 2}, calendars)
        later = scan.filter(pl.col("open_time").dt.epoch("ms") >= slots[0][0])
        assert sorted((open_ms, each.condition.id) for open_ms, each in live) == sorted(
            zip(later["open_time"].dt.epoch("ms"), later["condition_id"], strict=True)
        )


def test_an_hour_that_comes_twice_is_inside_twice_and_one_that_is_left_out_never() -> None:
    """Slots of a grid in the zone of the window; on the wall, both hours from one to two are the same."""
    series, grids = series_of("BINANCE", "BTCUSDT", "1h"), {"BINANCE:BTCUSDT": Grid.parse("EET")}
    condition = Condition.parse("BTCUSDT 1h: every(close > 0 and during(03:00-04:00, sun, EET))")
    # Summer time ends at 04:00 and begins at 03:00 by the clock of EET: at 01:00 UTC, both times.
    for change, opens in (((2024, 10, 27, 1), [at(2024, 10, 27, 0), at(2024, 10, 27, 1)]), ((2024, 3, 31, 1), [])):
        candles = on_grid(series, grids["BINANCE:BTCUSDT"], at(*change) - DAY, at(*change) + DAY)
        histories = {series: candles}
        scan = analysis.scan([condition], candles, grids=grids)
        assert scan["open_time"].dt.epoch("ms").to_list() == opens
        assert Oracle(histories, {}, grids).fires(condition) == opens
        truths = Valuation(condition, histories, Calendars(grids=grids)).truth(condition.tree)
        assert (truths == TRUE).sum() == len(opens)
        assert set(truths.tolist()) <= {FALSE, TRUE}
