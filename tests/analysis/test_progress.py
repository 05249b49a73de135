"""How far timeframes have been judged, and what holds back those groups that wait."""

from datetime import UTC, datetime

import polars as pl
import pytest

from analysis.progress import TimeframeProgress, ToBeJudged, exchange_candles, progress
from common.clock import ReplayClock
from flows.advance import Advanced, advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

HOUR, MINUTE = 3_600_000, 60_000
NOW = 500


def candles(symbol: str, first: int, stop: int, *, timeframe: str = "1h") -> pl.DataFrame:
    """Hours of a symbol, or the minutes of these hours."""
    step = {"1h": 3_600, "1m": 60}[timeframe]
    opens = range(first * 3_600, stop * 3_600, step)
    closes = [float(number // step % 7 + 1) for number in opens]
    return pl.DataFrame(
        {
            "exchange": "BINANCE",
            "symbol": symbol,
            "timeframe": timeframe,
            "open_time": [datetime.fromtimestamp(each, UTC) for each in opens],
            **dict.fromkeys(("open", "high", "low", "close", "volume"), closes),
        },
        schema_overrides={"open_time": pl.Datetime("ms", "UTC")},
    )


class Judged:
    """A store whose conditions are active since hour 500, and ticks on it."""

    def __init__(self, store: FileStore, *texts: str) -> None:
        self.store, self.clock = store, ReplayClock(NOW * HOUR)
        store.registry.register([Condition.parse(text) for text in texts], active_from_ms=NOW * HOUR)
        self.runtime = Runtime(store, MemoryLog(), self.clock)

    async def advance(self, timeframe: str, to_ms: int) -> Advanced:
        self.clock.move_to(max(to_ms, self.clock.now_ms()))
        return await advance(self.runtime, timeframe, to_ms)

    def progress(self, now_ms: int) -> TimeframeProgress:
        (only,) = progress(ToBeJudged.of(self.store), now_ms)
        return only


async def test_lag_grows_until_a_tick_and_is_gone_after_it(store: FileStore) -> None:
    store.candles.upsert(candles("BTCUSDT", 0, NOW + 2))
    hub = Judged(store, "BTCUSDT 1h: close > 2", "BTCUSDT 1h: close > 3")
    before = hub.progress((NOW + 2) * HOUR + MINUTE)
    assert (before.conditions, before.groups, before.last_tick_ms) == (2, 1, None)
    assert (before.lag_ms, before.behind, before.waiting) == (HOUR + MINUTE, 1, ())
    await hub.advance("1h", (NOW + 2) * HOUR)
    after = hub.progress((NOW + 2) * HOUR + MINUTE)
    assert (after.last_tick_ms, after.next_tick_ms) == ((NOW + 2) * HOUR, (NOW + 3) * HOUR)
    assert (after.lag_ms, after.behind, after.waiting) == (0, 0, ())


async def test_a_waiting_group_is_explained_until_its_candle_is_given_up(store: FileStore) -> None:
    store.candles.upsert(pl.concat([candles("BTCUSDT", 0, NOW + 1), candles("OLDUSDT", 0, NOW)]))
    hub = Judged(store, "BTCUSDT 1h: close > 2", "OLDUSDT 1h: close > 2")
    close_ms = (NOW + 1) * HOUR
    done = await hub.advance("1h", close_ms)
    shown = hub.progress(close_ms + MINUTE)
    assert [one.group for one in shown.waiting] == list(done.waiting)
    assert (shown.lag_ms, shown.stale) == (0, 0), "who has come furthest lacks nothing"
    (one,) = shown.waiting
    assert (str(one.series), one.open_ms, one.since_ms) == ("BINANCE:OLDUSDT 1h", NOW * HOUR, close_ms)
    assert "it may still come; from 1970-01-21T21:05:00Z on" in one.outcome

    shown = hub.progress(close_ms + 6 * MINUTE)
    assert (shown.waiting[0].is_stale, shown.stale) == (True, 1)
    assert "its source does not deliver" in shown.waiting[0].outcome

    store.candles.upsert(candles("OLDUSDT", NOW + 1, NOW + 2))
    (one,) = hub.progress(close_ms + 6 * MINUTE).waiting
    assert (one.is_stale, one.outcome) == (False, "it is judged as missing at the next tick")
    hub.clock.move_to(close_ms + 6 * MINUTE)
    assert (await hub.advance("1h", close_ms)).waiting == set()
    assert hub.progress(close_ms + 6 * MINUTE).waiting == ()


async def test_a_group_waits_for_the_foreign_series_and_for_parts_of_built_candles(store: FileStore) -> None:
    minutes = candles("ETHUSDT", 0, NOW + 1, timeframe="1m")
    lacking = minutes.filter(pl.col("open_time") != datetime.fromtimestamp(NOW * 3_600 + 59 * 60, UTC))
    store.candles.upsert(pl.concat([candles("BTCUSDT", 0, NOW + 1), lacking]))
    hub = Judged(store, "BTCUSDT 1h: close > close@ETHUSDT")
    done = await hub.advance("1h", (NOW + 1) * HOUR)
    (one,) = hub.progress((NOW + 1) * HOUR + 1).waiting
    assert [one.group] == list(done.waiting)
    assert (str(one.series), one.open_ms) == ("BINANCE:ETHUSDT 1m", NOW * HOUR + 59 * MINUTE)


def test_groups_whose_sources_are_silent_cost_no_question_each(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = ("AUSDT", "BUSDT", "CUSDT")
    store.candles.upsert(pl.concat([candles(symbol, 0, NOW) for symbol in symbols]))
    hub = Judged(store, *(f"{symbol} 1h: close > 2" for symbol in symbols))
    monkeypatch.setattr(type(store.candles), "first_open_from", lambda *_: pytest.fail("a question for one group"))
    assert hub.progress((NOW + 5) * HOUR).stale == len(symbols)


def test_a_closed_market_does_not_make_a_group_stale(store: FileStore) -> None:
    from registry.instruments import Instrument

    store.candles.upsert(candles("AAPL", 0, NOW))
    store.candles.set_calendar(Instrument("BINANCE", "AAPL"), "sessions")
    hub = Judged(store, "AAPL 1h: close > 2")
    (one,) = hub.progress((NOW + 1) * HOUR + MINUTE).waiting
    assert (one.is_stale, "the market may be closed" in one.outcome) == (False, True)


def test_series_without_candles_and_the_freshness_of_exchanges(store: FileStore) -> None:
    store.candles.upsert(pl.concat([candles("BTCUSDT", 0, NOW), candles("OLDUSDT", 0, 100)]))
    hub = Judged(store, "BTCUSDT 1h: close > 2", "BTCUSDT 4h: close > close@OLDUSDT", "BTCUSDT 1m: close > 2")
    by_name = {each.timeframe: each for each in progress(ToBeJudged.of(store), NOW * HOUR)}
    assert list(by_name) == ["1m", "1h", "4h"]
    assert (by_name["1m"].without_candles, by_name["1m"].lag_ms, by_name["1h"].without_candles) == (1, 0, 0)
    (binance,) = exchange_candles(ToBeJudged.of(hub.store), NOW * HOUR)
    assert (binance.exchange, binance.series, binance.current, binance.absent) == ("BINANCE", 3, 1, 1)
    assert binance.newest_close_ms == NOW * HOUR


@pytest.mark.parametrize("ended", ["retired", "expired"])
def test_what_is_not_to_be_judged_is_not_waited_for(store: FileStore, ended: str) -> None:
    store.candles.upsert(candles("BTCUSDT", 0, NOW))
    Judged(store, "BTCUSDT 1h: close > 2")
    if ended == "retired":
        store.registry.retire(store.registry.conditions()[0].condition_id, "test", at_ms=NOW * HOUR)
        assert progress(ToBeJudged.of(store), (NOW + 5) * HOUR) == []
    else:
        far = progress(ToBeJudged.of(store), (NOW + 24 * 60) * HOUR)
        assert [each.groups for each in far] == [1], "its grace time is judged to its end"
