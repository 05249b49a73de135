"""Every construct of the language, live and over a history, against the slow oracle: equal triggers, always."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

import analysis
from common.timeframes import to_ms
from registry.conditions import Condition
from registry.groups import Series, series_of
from registry.instruments import Calendar
from tests.engine.live import run_live
from tests.engine.random_conditions import random_window
from tests.engine.slow_oracle import Oracle

START = datetime(2024, 8, 1, tzinfo=UTC)
HISTORY = datetime(2024, 7, 29, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def gappy(sample: pl.DataFrame, dice: random.Random, share: float) -> dict[Series, pl.DataFrame]:
    """Real candles of three symbols, 1h, 2h and 4h, with a share of them missing."""
    hourly = sample.filter(
        pl.col("symbol").is_in(SYMBOLS)
        & (pl.col("timeframe") == "1h")
        & pl.col("open_time").is_between(HISTORY, datetime(2024, 8, 9, tzinfo=UTC), closed="left")
    )
    histories: dict[Series, pl.DataFrame] = {}
    for symbol in SYMBOLS:
        base = hourly.filter(pl.col("symbol") == symbol).sort("open_time")
        for timeframe, every in (("1h", 1), ("2h", 2), ("4h", 4)):
            rows = (
                base.group_by_dynamic("open_time", every=f"{every}h")
                .agg(
                    pl.col("open").first(),
                    pl.col("high").max(),
                    pl.col("low").min(),
                    pl.col("close").last(),
                    pl.col("volume").sum(),
                )
                .select(
                    pl.lit("BINANCE").alias("exchange"),
                    pl.lit(symbol).alias("symbol"),
                    pl.lit(timeframe).alias("timeframe"),
                    pl.col("open_time").cast(pl.Datetime("ms", "UTC")),
                    *("open", "high", "low", "close", "volume"),
                )
            )
            keep = [dice.random() > share for _ in range(rows.height)]
            histories[series_of("BINANCE", symbol, timeframe)] = rows.filter(pl.Series(keep))
    return histories


def random_operand(dice: random.Random, depth: int, own: str) -> str:
    kind = dice.random()
    if depth > 0 and kind < 0.25:
        operator = dice.choice("+-*/")
        right = dice.choice(("2", "0.5", random_operand(dice, depth - 1, own)))
        return f"({random_operand(dice, depth - 1, own)} {operator} {right})"
    if depth > 0 and kind < 0.4:
        below = [random_operand(dice, depth - 1, own) for _ in range(dice.randint(2, 4))]
        return dice.choice((f"abs({below[0]} - {below[1]})", f"min({', '.join(below)})", f"max({', '.join(below)})"))
    name = dice.choice(
        ("close", "open", "hl2", "sma(3)", "ema(4)", "highest(3)", "bbands(4, 1).upper", "lowest(3, low)")
    )
    offset = f"[{dice.randint(1, 4)}]" if dice.random() < 0.3 else ""
    place = ""
    if dice.random() < 0.3:
        place = dice.choice(("@4h", "@2h", "@BTCUSDT", "@ETHUSDT", "@BTCUSDT@4h"))
        # Prices of other instruments have another magnitude, so an oscillator is compared instead.
        if "USDT" in place:
            return f"(rsi(3){place}{offset} + close - close)"
    return name + offset + place


def random_condition(dice: random.Random, depth: int, own: str) -> str:
    kind = dice.random()
    if depth > 0 and kind < 0.6:
        shape = dice.choice(("all", "any", "not", "for", "within", "k of", "before", "then", "gate"))
        below = [random_condition(dice, depth - 1, own) for _ in range(dice.randint(2, 3))]
        match shape:
            case "all" | "any":
                return f"{shape}({', '.join(below)})"
            case "not":
                return f"not ({below[0]})"
            case "gate":
                return dice.choice(
                    (
                        f"all({random_window(dice, '1h')}, {below[0]})",
                        f"any({below[0]}, not {random_window(dice, '1h')})",
                    )
                )
            case "before":
                return f"before({below[0]})"
            case "then":
                return f"({below[0]}) then ({below[1]}) within {dice.randint(1, 4)} bars"
            case "k of":
                return f"2 of ({', '.join(below)})"
            case _:
                return f"({below[0]}) {shape} {dice.randint(2, 4)} bars"
    if kind > 0.9:
        moving = dice.choice(("rises_by", "falls_by"))
        return f"close {moving} {dice.choice(('1%', '0.5%', '100'))} within {dice.randint(1, 3)} bars"
    if kind > 0.82:
        return f"close {dice.choice(('rising', 'falling'))} {dice.randint(1, 3)} bars"
    left, right = random_operand(dice, 1, own), random_operand(dice, 1, own)
    if kind > 0.72:
        channel = dice.choice(("between", "outside", "enters", "exits"))
        return f"{left} {channel} lowest(4) and highest(4)[1]"
    operator = dice.choice(("<", "<=", ">", ">=", "crosses_above", "crosses_below", "crosses"))
    return f"{left} {operator} {right}"


def some_conditions(dice: random.Random, count: int) -> list[Condition]:
    conditions: dict[str, Condition] = {}
    while len(conditions) < count:
        symbol = dice.choice(SYMBOLS)
        text = f"{symbol} 1h: {random_condition(dice, dice.randint(0, 2), symbol)}"
        if dice.random() < 0.15:
            text = text.replace(": ", ": every(", 1) + ")"
        condition = Condition.parse(text)
        conditions[condition.id] = condition
    return list(conditions.values())


def some_sessions(seed: int, histories: dict[Series, pl.DataFrame]) -> dict[str, Calendar]:
    """For every other seed two instruments trade in sessions, with no candles at night."""
    if seed % 2 == 0:
        return {}
    calendars: dict[str, Calendar] = {"BINANCE:ETHUSDT": "sessions", "BINANCE:SOLUSDT": "sessions"}
    for series, history in histories.items():
        if str(series.instrument) in calendars:
            hour = pl.col("open_time").dt.hour()
            histories[series] = history.filter(hour.is_between(4, 20))
    return calendars


def scanned(
    conditions: list[Condition], histories: dict[Series, pl.DataFrame], calendars: dict[str, Calendar]
) -> dict[str, list[int]]:
    rows = analysis.scan(conditions, pl.concat(list(histories.values())), calendars=calendars)
    return {
        condition.id: rows.filter(pl.col("condition_id") == condition.id)["open_time"].dt.epoch("ms").to_list()
        for condition in conditions
    }


@pytest.mark.parametrize("seed", range(6))
def test_a_scan_finds_what_the_words_say(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.03, 0.1)))
    conditions = some_conditions(dice, 60)
    calendars = some_sessions(seed, histories)
    scan = scanned(conditions, histories, calendars=calendars)
    oracle = Oracle(histories, calendars)
    for condition in conditions:
        near = set(oracle.near(condition))
        assert [open_ms for open_ms in scan[condition.id] if open_ms not in near] == oracle.fires(condition), str(
            condition
        )
    assert sum(map(len, scan.values())) > 500


@pytest.mark.parametrize("seed", range(4))
def test_live_parts_find_what_a_scan_finds(sample: pl.DataFrame, seed: int) -> None:
    dice = random.Random(100 + seed)
    histories = gappy(sample, dice, dice.choice((0.0, 0.05)))
    conditions = some_conditions(dice, 60)
    calendars = some_sessions(seed, histories)
    expected = {
        condition_id: [open_ms for open_ms in opens if open_ms >= to_ms(START)]
        for condition_id, opens in scanned(conditions, histories, calendars=calendars).items()
    }
    live: dict[str, list[int]] = {condition.id: [] for condition in conditions}
    restarts = set(dice.sample(range(190), 3))
    for open_ms, fired in run_live(conditions, histories, to_ms(START), 190, restarts, calendars):
        live[fired.condition.id].append(open_ms)
    assert {name: [o for o in opens if o < to_ms(START) + 190 * 3_600_000] for name, opens in expected.items()} == live
    assert sum(map(len, live.values())) > 300


SESSIONS: dict[str, Calendar] = {"NASDAQ:ACME": "sessions"}


def daily(days: dict[int, float]) -> pl.DataFrame:
    """Daily candles of a stock: day of August 2024 (the 5th is a Monday) -> close."""
    return pl.DataFrame(
        {
            "exchange": "NASDAQ",
            "symbol": "ACME",
            "timeframe": "1d",
            "open_time": [datetime(2024, 8, day, tzinfo=UTC) for day in days],
            "open": list(days.values()),
            "high": list(days.values()),
            "low": list(days.values()),
            "close": list(days.values()),
            "volume": 1.0,
        },
        schema_overrides={"open_time": pl.Datetime("ms", "UTC")},
    )


@pytest.mark.parametrize(
    ("text", "days", "calendars", "expected"),
    [
        ("close crosses_below 30", {2: 31, 5: 29}, SESSIONS, [5]),
        ("close crosses_below 30", {2: 31, 5: 29}, {}, []),
        ("close < 30", {1: 31, 2: 32, 5: 29}, SESSIONS, [5]),
        ("close < close[1] for 2 bars", {1: 33, 2: 32, 5: 31, 6: 30}, SESSIONS, []),
        ("every(close < close[1] for 2 bars)", {1: 33, 2: 32, 5: 31, 6: 30}, SESSIONS, [5, 6]),
        ("close crosses_below 30", {2: 31, 9: 29}, SESSIONS, [9]),
        ("close crosses_below 30", {2: 31, 12: 29}, SESSIONS, []),
        ("close falls_by 2 within 2 bars", {1: 31, 2: 31, 5: 30, 6: 29}, SESSIONS, [6]),
    ],
)
def test_monday_follows_friday(
    text: str, days: dict[int, float], calendars: dict[str, Calendar], expected: list[int]
) -> None:
    triggers = analysis.scan([f"NASDAQ:ACME 1d: {text}"], daily(days), calendars=calendars)
    assert triggers["open_time"].dt.day().to_list() == expected


def test_a_higher_timeframe_shows_only_its_last_closed_candle() -> None:
    """The 4h close jumps on the candle from 04:00 on; hourly conditions see it when that has closed, at 08:00."""
    hours = [datetime(2024, 8, 5, hour, tzinfo=UTC) for hour in range(12)]
    closes = [1.0] * 4 + [9.0] * 8
    frame = daily({1: 1.0}).select("exchange", "symbol")

    def rows(timeframe: str, times: list[datetime], values: list[float]) -> pl.DataFrame:
        return pl.DataFrame(
            {"timeframe": timeframe, "open_time": times, **dict.fromkeys(("open", "high", "low", "close"), values)},
            schema_overrides={"open_time": pl.Datetime("ms", "UTC")},
        ).with_columns(pl.lit(1.0).alias("volume"))

    candles = pl.concat([rows("1h", hours, closes), rows("4h", hours[::4], [1.0, 9.0, 9.0])]).join(frame, how="cross")
    seen = analysis.scan(["NASDAQ:ACME 1h: every(close@4h > 5)"], candles)
    assert seen["close_time"].dt.hour().to_list() == [8, 9, 10, 11, 12]
    crossed = analysis.scan(["NASDAQ:ACME 1h: close@4h crosses_above 5"], candles)
    assert crossed["close_time"].dt.hour().to_list() == [8]


@pytest.mark.parametrize(
    ("text", "closes", "expected"),
    [
        ("every(close > 10 for 3 bars)", [11, 12, 13, 14], [2, 3]),
        ("every(close > 10 for 3 bars)", [11, 12, None, 14, 15, 16], [5]),
        ("every(close > 10 within 3 bars)", [9, 9, 9, 11, 9, 9, 9], [3, 4, 5]),
        ("every(close > 10 within 3 bars)", [11, 9], [0, 1]),
        ("close > 10 within 2 bars", [9, 9, 11, 9, 9, 11], [2, 5]),
        ("every(2 of (close > 10, close > 20, close > 30))", [5, 15, 25, 35], [2, 3]),
        ("close crosses 30", [29, 31, 29, 31], [1, 2, 3]),
        ("close enters 10 and 20", [5, 15, 16, 25, 15], [1, 4]),
        ("close exits 10 and 20", [15, 25, 26, 15, 5], [1, 4]),
        ("close rises_by 10% within 2 bars", [100, 100, 105, 110, 111, 100, 100, 112], [3, 7]),
        ("every(close rising 2 bars)", [1, 2, 3, 3, 4, 5], [2, 5]),
        ("every(close[2] < close)", [1, 2, 3, None, 4, 5, 6], [2, 6]),
        ("every(close / (close - close) > 1)", [1, 2], []),
        ("every(close * 2 - 1 >= 5)", [2, 3, 4], [1, 2]),
        ("every(not close[1] > 10)", [5, 5, 15, 5], [1, 2]),
        ("every(before(close > 10))", [11, 9, 12, None, 12, 9], [1, 5]),
        ("before(close > 10)", [9, 11, 12, 12, 9, 11, 9], [2, 6]),
        ("before(close crosses_above 10)", [9, 11, 12, 9, 11, 9], [2, 5]),
        ("every(close > 20 then close < 10 within 2 bars)", [21, 9, 9, 9, 21, 15, 9], [1, 2, 6]),
        ("close > 20 then close < 10 within 3 bars", [15, 21, 9, 9, 15, 9, 21, 15, 9], [2, 8]),
        ("close > 20 then close crosses_below 10 within 3 bars", [21, 9, 15, 9, 15, 9], [1, 3]),
        ("every(close > 20 then close < 10 within 3 bars)", [21, None, 9, 21, 9], [4]),
        ("every(close > 20 then close > 20 within 1 bar)", [21, 9, 21, 21], [3]),
        ("every(not (close > 20 then close < 10 within 1 bar))", [21, 9, 5, 15, None, 5, 15], [0, 2, 3, 6]),
        ("every(abs(close - 10) > 4)", [5, 8, 10, 15, 14], [0, 3]),
        ("every(min(close, 10, close[1]) >= 8)", [9, 20, 7, 8, 12], [1, 4]),
        ("every(max(close, close[1]) < 9)", [5, 8, 10, 5, 6, None, 7], [1, 4]),
        ("every(max(0, 1 / (close - 5)) >= 0)", [5, 6, 5, 4], [1, 3]),
        ("every(min(9, 1 / (1 / (close - 5))) < 10)", [5, 6, 5, 4], [1, 3]),
    ],
)
def test_worked_examples(text: str, closes: list[float | None], expected: list[int]) -> None:
    days = {1 + slot: close for slot, close in enumerate(closes) if close is not None}
    triggers = analysis.scan([f"NASDAQ:ACME 1d: {text}"], daily(days))
    assert [day - 1 for day in triggers["open_time"].dt.day()] == expected


def test_what_was_read_of_other_series_has_a_name_of_its_own(sample: pl.DataFrame) -> None:
    histories = gappy(sample, random.Random(1), 0.0)
    condition = Condition.parse("BTCUSDT 1h: every(close < close@4h + 10000 and close@ETHUSDT[1] > 0)")
    _, fired = run_live([condition], histories, to_ms(START), 3, set())[-1]
    assert list(fired.values) == ["close", "close@4h + 10000", "close[1]@BINANCE:ETHUSDT"]


def test_a_base_that_others_read_is_restored_as_far_back_as_they_need_it(sample: pl.DataFrame) -> None:
    """Ethereum trades in sessions here, so its last candles reach further back than as many of Bitcoin's."""
    histories = gappy(sample, random.Random(1), 0.0)
    calendars = some_sessions(1, histories)
    conditions = [
        Condition.parse("ETHUSDT 1h: every(rsi(3)@BTCUSDT > 0 for 6 bars)"),
        Condition.parse("BTCUSDT 1h: every(close > close@2h)"),
    ]
    reached = 79
    expected = scanned(conditions, histories, calendars)
    live = run_live(conditions, histories, to_ms(START), reached + 1, {reached}, calendars)
    for condition in conditions:
        stop = to_ms(START) + (reached + 1) * 3_600_000
        wanted = [open_ms for open_ms in expected[condition.id] if to_ms(START) <= open_ms < stop]
        assert [open_ms for open_ms, fired in live if fired.condition == condition] == wanted


HALF_HOURS = [datetime(2024, 11, 1, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(48 * 6)]
"""Friday to Wednesday; on Sunday at 06:00 UTC summer time ends in New York."""


@pytest.mark.parametrize(
    ("window", "opens"),
    [
        ("09:30-10:30, America/New_York", ["1 13:30", "1 14:00", "2 13:30", "2 14:00", "3 14:30", "3 15:00"]),
        ("01:00-02:00, sun, America/New_York", ["3 05:00", "3 05:30", "3 06:00", "3 06:30"]),
        ("23:30-00:30, fri", ["1 23:30", "2 00:00"]),
        ("23:30-00:30, sun, Asia/Kolkata", ["3 18:00", "3 18:30"]),
        ("00:00-00:30, mon-tue", ["4 00:00", "5 00:00"]),
        ("00:00-00:30, mon-tue, Asia/Tokyo", ["3 15:00", "4 15:00"]),
        ("23:00-24:00, sat", ["2 23:00", "2 23:30"]),
    ],
)
def test_windows_by_the_clock_of_their_zone(window: str, opens: list[str]) -> None:
    candles = pl.DataFrame(
        {"symbol": "BTCUSDT", "timeframe": "30m", "open_time": HALF_HOURS}
        | dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0),
        schema_overrides={"open_time": pl.Datetime("ms", "UTC")},
    )
    triggers = analysis.scan([f"BTCUSDT 30m: every(close > 0 and during({window}))"], candles)
    shown = [f"{opened.day} {opened:%H:%M}" for opened in triggers["open_time"]]
    assert shown[: len(opens)] == opens
    outside = analysis.scan([f"BTCUSDT 30m: every(close > 0 and not during({window}))"], candles)
    assert triggers.height + outside.height == len(HALF_HOURS)


def test_an_opening_window_fires_like_any_state() -> None:
    candles = daily(dict.fromkeys(range(1, 15), 5.0))
    opened = analysis.scan(["NASDAQ:ACME 1d: close > 1 and during(mon-fri)"], candles)
    assert opened["open_time"].dt.day().to_list() == [5, 12]
    closed = analysis.scan(["NASDAQ:ACME 1d: close > 1 and not during(mon-fri)"], candles)
    assert closed["open_time"].dt.day().to_list() == [3, 10]


def test_published_examples(sample: pl.DataFrame) -> None:
    """What the sources of docs/language.md say, on real candles: see there for the sources."""
    history = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).sort("open_time").head(600)

    def rows(text: str) -> list[datetime]:
        return list(analysis.scan([f"BTCUSDT 1h: every({text})"], history)["open_time"])

    columns = {name: history[name].to_list() for name in ("open", "high", "low", "close")}
    candles = list(zip(*columns.values(), history["open_time"], strict=True))
    ranges = [
        (opened, max(high - low, abs(high - before[3]), abs(low - before[3])))
        for before, (_, high, low, _, opened) in itertools.pairwise(candles)
    ]
    true_range = "max(high - low, abs(high - close[1]), abs(low - close[1]))"
    assert rows(f"{true_range} > 500") == [opened for opened, size in ranges if size > 500] != []
    hammers = [opened for o, _, low, c, opened in candles if min(o, c) - low >= 2 * abs(c - o)]
    assert rows("min(open, close) - low >= 2 * abs(close - open)") == hammers != []
    own = "max(high, heikin_ashi.open, heikin_ashi.close)"
    assert len(rows(f"heikin_ashi.high >= {own}")) == len(rows(f"heikin_ashi.high <= {own}")) == len(candles)
    rising = [c >= o for o, _, _, c, _ in candles]
    since = [next((k for k in range(row + 1) if rising[row - k]), None) for row in range(len(rising))]
    recent = [candles[row][4] for row, bars in enumerate(since) if bars in (1, 2, 3)]
    assert rows("before(close >= open) within 3 bars and not close >= open") == recent != []
    stochastic, macd = rows("stoch.k crosses_above stoch.d and stoch.k < 50"), rows("macd.histogram crosses_above 0")
    hour = timedelta(hours=1)
    double = [at for at in macd if at - hour in stochastic or at - 2 * hour in stochastic]
    crossed = "(stoch.k crosses_above stoch.d and stoch.k < 50) then macd.histogram crosses_above 0 within 2 bars"
    assert rows(crossed) == double != []
    session = rows("close > 0 and during(09:30-16:00, mon-fri, America/New_York)")
    # In winter, New York is five hours behind UTC: its exchange is open from 14:30 to 21:00.
    assert history["open_time"][-1] < datetime(2024, 3, 10, tzinfo=UTC)
    assert {(at.hour, at.weekday() < 5) for at in session} == {(hour, True) for hour in range(15, 21)}
