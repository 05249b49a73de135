"""Days, weeks, months and sessions that begin elsewhere than in UTC: slots, built candles, scans."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import analysis
from analysis.explain import explain
from common.errors import GridError
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import to_ms
from engine.calendars import Calendars
from engine.resampling import divisors, resample
from registry.conditions import Condition
from registry.groups import Series, series_of
from registry.instruments import Calendar
from tests.engine.live import run_live
from tests.engine.oracle_slots import first_after, slots_after
from tests.engine.slow_oracle import Oracle

SHARED = Path(__file__).parents[2].parent / "shared"
HOUR = 3_600_000
NEW_YORK = "America/New_York, session 09:30-16:00"


def at(*moment: int) -> int:
    return to_ms(datetime(*moment, tzinfo=UTC))  # type: ignore[arg-type, misc]  # year, month, day, hour, minute


def candles_of(series: Series, opens: list[int], *, seed: int = 1) -> pl.DataFrame:
    """A walk of prices on some slots."""
    closes = np.round(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, len(opens)))), 4)
    begins = np.concatenate([[100.0], closes[:-1]])
    return pl.DataFrame(
        {
            "exchange": series.instrument.exchange,
            "symbol": series.instrument.symbol,
            "timeframe": series.timeframe,
            "open_time": pl.Series(opens, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")),
            "open": begins,
            "high": np.maximum(begins, closes) + 0.01,
            "low": np.minimum(begins, closes) - 0.01,
            "close": closes,
            "volume": np.arange(1.0, len(opens) + 1),
        }
    )


def on_grid(series: Series, grid: Grid, start_ms: int, end_ms: int, *, seed: int = 1) -> pl.DataFrame:
    slots = slots_after(start_ms, end_ms, series.timeframe, grid)
    return candles_of(series, [open_ms for open_ms, _ in slots], seed=seed)


@pytest.mark.parametrize(
    ("grid", "timeframe", "moment", "hours"),
    [
        ("EET", "1d", (2024, 10, 27), 25),
        ("EET", "1d", (2024, 3, 31), 23),
        ("EET", "4h", (2024, 10, 27), 5),
        ("Australia/Lord_Howe", "1d", (2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", "1h", (2024, 4, 7, 13), 0.5),
        (NEW_YORK, "1h", (2024, 3, 8, 21), 0.5),
        (NEW_YORK, "1d", (2024, 3, 11, 20), 6.5),
        ("UTC", "1mo", (2024, 3, 1), 29 * 24),
    ],
)
def test_a_candle_closes_where_its_slot_ends(grid: str, timeframe: str, moment: tuple[int, ...], hours: float) -> None:
    """Of the longer or shorter slot that is in progress or ends at the moment, and of its neighbours."""
    series = series_of("BINANCE", "BTCUSDT", timeframe)
    reach = 70 * 24 * HOUR if timeframe == "1mo" else 3 * 24 * HOUR
    candles = on_grid(series, Grid.parse(grid), at(*moment) - reach, at(*moment) + reach)
    fired = analysis.scan(
        [f"BTCUSDT {timeframe}: every(close > 0)"], candles, grids={"BINANCE:BTCUSDT": grid}
    ).with_columns(hours=(pl.col("close_time") - pl.col("open_time")).dt.total_seconds() / 3600)
    assert fired.height == candles.height
    assert (
        hours
        in fired.filter(pl.col("close_time").dt.epoch("ms").is_between(at(*moment) - 0, at(*moment) + reach))["hours"]
        .head(2)
        .to_list()
    )


@pytest.mark.parametrize("seed", range(6))
def test_live_scan_and_oracle_agree_across_a_change_of_clocks(seed: int) -> None:
    """Bit for bit, with restarts: three instruments on grids of their own, read on one another and on longer slots."""
    dice = np.random.default_rng(seed)
    texts = ["EET", NEW_YORK, "Asia/Kolkata", "Australia/Lord_Howe", "day 16:00, week thu, 3d 1", "Etc/GMT-8"]
    names = {f"BINANCE:{symbol}": text for symbol, text in zip("ABC", dice.permutation(texts), strict=False)}
    grids = {name: Grid.parse(text) for name, text in names.items()}
    change = [at(2024, 3, 31, 1), at(2024, 11, 3, 6), at(2024, 4, 6, 15)][seed % 3]
    base = ("1h", "4h", "12h")[seed // 2]
    histories: dict[Series, pl.DataFrame] = {}
    for number, symbol in enumerate("ABC"):
        for timeframe in (base, "1d", "3d", "1w"):
            series = series_of("BINANCE", symbol, timeframe)
            frame = on_grid(series, grids[str(series.instrument)], change - 40 * 24 * HOUR, change + 3 * 24 * HOUR)
            kept = dice.random(frame.height) > 0.03
            kept[0] = True
            histories[series] = frame.with_columns(pl.col("close") * (1 + number / 100)).filter(pl.Series(kept))
    conditions = [
        Condition.parse(text)
        for symbol, other in ("AB", "BC", "CA")
        for text in (
            f"{symbol} {base}: close crosses_above sma(5)",
            f"{symbol} {base}: every(close > close@1d)",
            f"{symbol} {base}: every(close@{other} > sma(3)@{other}@1d and close[1]@3d > 0)",
            f"{symbol} {base}: every((close > close[2]) for 2 bars or close@{other}@1w[1] < close)",
        )
    ]
    scan = analysis.scan(conditions, pl.concat(histories.values()), grids=grids)
    oracle = Oracle(histories, {}, grids)
    for condition in conditions:
        mine = scan.filter(pl.col("condition_id") == condition.id)["open_time"].dt.epoch("ms").to_list()
        near = oracle.near(condition)
        assert set(mine) - set(near) == set(oracle.fires(condition)) - set(near), str(condition)
    for symbol in "ABC":
        mine = [condition for condition in conditions if condition.series.instrument.symbol == symbol]
        first = first_after(change - 20 * 24 * HOUR, base, grids[f"BINANCE:{symbol}"])[0]
        slots = slots_after(first, change + 2 * 24 * HOUR, base, grids[f"BINANCE:{symbol}"])
        fired = run_live(mine, histories, first, len(slots), {3, len(slots) // 2}, Calendars(grids=grids))
        until = slots[-1][0]
        expected = scan.filter(pl.col("condition_id").is_in([condition.id for condition in mine])).filter(
            pl.col("open_time").dt.epoch("ms").is_between(first, until)
        )
        assert sorted((open_ms, each.condition.id, each.price) for open_ms, each in fired) == sorted(
            zip(expected["open_time"].dt.epoch("ms"), expected["condition_id"], expected["price"], strict=True)
        )


def test_another_series_is_seen_from_the_end_of_its_own_slot_on() -> None:
    """A day from 16:00 UTC is seen at 16:00, not at midnight."""
    hourly, daily = series_of("BINANCE", "BTCUSDT", "1h"), series_of("OKX", "BTCUSDT", "1d")
    grids = {"OKX:BTCUSDT": Grid.parse("day 16:00")}
    days = on_grid(daily, grids["OKX:BTCUSDT"], at(2024, 5, 1, 16), at(2024, 5, 5, 16))
    histories = {hourly: on_grid(hourly, Grid(), at(2024, 5, 3), at(2024, 5, 5)), daily: days}
    third = float(days["close"][2])
    text = f"BTCUSDT 1h: every(close@OKX:BTCUSDT@1d >= {third} and close@OKX:BTCUSDT@1d <= {third})"
    closes = analysis.scan([text], pl.concat(histories.values()), grids=grids)["close_time"].dt.epoch("ms").to_list()
    assert closes == list(range(at(2024, 5, 4, 16), at(2024, 5, 5) + 1, HOUR))
    shown = explain(Condition.parse(text), histories, Calendars(grids=grids), at_ms=at(2024, 5, 4, 15))
    assert not shown.fires
    assert explain(Condition.parse(text), histories, Calendars(grids=grids), at_ms=at(2024, 5, 4, 16)).fires


def test_a_candle_between_slots_is_refused() -> None:
    days = candles_of(series_of("BINANCE", "BTCUSDT", "1d"), [at(2024, 5, day, 16) for day in range(1, 9)])
    for text in ("BTCUSDT 1d: close > 0", "BTCUSDT 1w: close > 0"):
        with pytest.raises(GridError, match=r"BTCUSDT 1d has a candle that opens at 2024-05-01 16:00.* 'day 16:00'"):
            analysis.scan([text], days)
    assert analysis.scan(["BTCUSDT 1d: every(close > 0)"], days, grids={"BINANCE:BTCUSDT": "day 16:00"}).height == 8


def test_what_builds_a_timeframe_ends_where_its_slots_end() -> None:
    """On Lord Howe clocks change by half an hour, so that some hours lie across the end of a slot of four."""
    zoned = Grid.parse("Australia/Lord_Howe")
    assert divisors("4h", zoned) == ("2h", "30m", "15m", "5m", "3m", "1m")
    assert divisors("1d", zoned) == divisors("1d")
    assert divisors("4h", Grid.parse("EET")) == divisors("4h")
    for timeframe in ("4h", "1d", "1w", "1mo"):
        slots = slots_of(timeframe, zoned).between(at(2024, 1, 1), at(2025, 1, 1))
        for source in divisors(timeframe, zoned):
            assert np.all(slots_of(source, zoned).is_open(slots))


@pytest.mark.parametrize("grid", ["EET", "day 16:00", NEW_YORK, "Australia/Lord_Howe"])
def test_a_built_day_is_complete_with_the_hours_that_it_has(grid: str) -> None:
    zoned = Grid.parse(grid)
    hourly = on_grid(series_of("BINANCE", "BTCUSDT", "1h"), zoned, at(2024, 3, 1), at(2024, 11, 20))
    days = resample(hourly, "1h", "1d", zoned)
    assert not days["partial"][1:-1].any()
    lacking = resample(hourly.filter(pl.int_range(pl.len()) != 100), "1h", "1d", zoned)
    assert lacking["partial"][1:-1].sum() == 1


def read_case(name: str) -> pl.DataFrame:
    path = SHARED / "cases" / "grids" / name
    if not path.exists():
        pytest.skip("the cases are not there")
    return pl.read_csv(path)


def test_three_days_of_binance_are_those_of_its_days() -> None:
    """Counted from each symbol's first day: BTCUSDT's begin on day 1 modulo 3."""
    own = read_case("BTCUSDT_3d.csv").with_columns(
        pl.col("timestamp").str.to_datetime(time_unit="ms", time_zone="UTC").alias("open_time")
    )
    days = pl.read_parquet(SHARED / "data" / "btcusdt_1d_2017_2026.parquet").sort("open_time")
    built = resample(days, "1d", "3d", Grid.parse("3d 1")).filter(~pl.col("partial"))
    both = own.join(built, on="open_time", suffix="_built")
    assert both.height == own.height == 13
    for price in ("open", "high", "low", "close"):
        assert both[price].to_list() == both[f"{price}_built"].to_list()
    assert both["volume"].to_list() == pytest.approx(both["volume_built"].to_list())
    for phase in (0, 2):
        other = resample(days, "1d", "3d", Grid(three_day_phase=phase))
        assert own.join(other, on="open_time").height == 0


def test_months_of_binance_are_those_of_its_days() -> None:
    path = SHARED / "data" / "raw" / "freqtrade" / "BTC_USDT-1Mo.feather"
    if not path.exists():
        pytest.skip("the files are not there")
    own = pl.read_ipc(path).with_columns(pl.col("date").dt.cast_time_unit("ms").alias("open_time"))
    days = pl.read_parquet(SHARED / "data" / "btcusdt_1d_2017_2026.parquet").sort("open_time")
    built = resample(days, "1d", "1mo").filter(~pl.col("partial"))
    both = own.join(built, on="open_time", suffix="_built").filter(pl.col("open_time") < own["open_time"].max())
    assert both.height >= 7
    for price in ("open", "high", "low", "close"):
        assert both[price].to_list() == both[f"{price}_built"].to_list()


def test_hours_of_a_stock_end_with_its_session() -> None:
    """From 09:30 in New York, in winter and summer: the last one lasts half an hour, and a night is one step."""
    series, grids = series_of("NASDAQ", "AAPL", "1h"), {"NASDAQ:AAPL": NEW_YORK}
    own = read_case("aapl_60.csv")["time"].str.to_datetime(time_unit="ms", time_zone="UTC").dt.epoch("ms")
    assert slots_of("1h", Grid.parse(NEW_YORK)).between(own[0], own[-1] + 1).tolist() == own.to_list()
    bars = on_grid(series, Grid.parse(NEW_YORK), at(2024, 3, 4), at(2024, 3, 16))
    bars = bars.filter(pl.col("open_time").dt.weekday() <= 5)

    def fired(text: str, calendar: Calendar) -> pl.DataFrame:
        return analysis.scan([f"NASDAQ:AAPL 1h: {text}"], bars, calendars={"NASDAQ:AAPL": calendar}, grids=grids)

    closes = fired("every(close > 0)", "sessions")["close_time"]
    clocks = closes.dt.convert_time_zone("America/New_York").dt.strftime("%H:%M").value_counts()
    assert dict(clocks.iter_rows()) == dict.fromkeys(
        ("10:30", "11:30", "12:30", "13:30", "14:30", "15:30", "16:00"), 10
    )
    assert fired("every(close[1] > 0)", "sessions").height == bars.height - 1
    assert fired("every(close[1] > 0)", "24x7").height == bars.height - 2, "the weekend is a gap"


def test_days_of_okx_begin_at_16_utc() -> None:
    days = read_case("okx_daily_hk.csv").select(
        pl.lit("OKX").alias("exchange"),
        pl.lit("BTCUSDT").alias("symbol"),
        pl.lit("1d").alias("timeframe"),
        pl.col("timestamp").cast(pl.Datetime("ms", "UTC")).alias("open_time"),
        *(pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "volume")),
    )
    fired = analysis.scan(["OKX:BTCUSDT 1d: every(close > 0)"], days, grids={"OKX:BTCUSDT": "day 16:00"})
    assert set(fired["close_time"].dt.strftime("%H:%M")) == {"16:00"}
    assert fired.height == days.height


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_may_have_any_unit(unit: str) -> None:
    hours = on_grid(series_of("BINANCE", "BTCUSDT", "1h"), Grid(), at(2024, 5, 1), at(2024, 5, 5))
    text = "BTCUSDT 1h: every(close > sma(2)@1d)"
    expected = analysis.scan([text], hours)
    assert expected.height > 0
    assert analysis.scan([text], hours.with_columns(pl.col("open_time").dt.cast_time_unit(unit))).equals(expected)  # type: ignore[arg-type]  # one of the three
