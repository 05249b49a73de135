"""What a consumer learns when it asks whether a condition is TRUE right now."""

import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from events.consuming.current_truths import StoreTruthSource
from registry.conditions import Condition
from registry.store.files.file_store import FileStore


@pytest.fixture
def truths(store: FileStore, clock: ReplayClock, sample: pl.DataFrame) -> StoreTruthSource:
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(50))
    return StoreTruthSource(store, clock)


def register(store: FileStore, text: str) -> str:
    (registration,) = store.registry.register([Condition.parse(text)], active_from_ms=0)
    return registration.condition_id


def test_a_true_condition_is_told_as_an_event_of_the_newest_candle(
    store: FileStore, truths: StoreTruthSource, sample: pl.DataFrame, clock: ReplayClock
) -> None:
    condition_id = register(store, "BTCUSDT 1h: close > 1")
    newest = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(50).row(-1, named=True)
    event = truths.now(condition_id)
    assert event is not None
    assert (event.seq, event.open_time, event.price) == (0, to_ms(newest["open_time"]), newest["close"])
    assert event.trigger_id == f"{condition_id}:{event.close_time}"
    assert (event.exchange, event.symbol, event.timeframe) == ("BINANCE", "BTCUSDT", "1h")
    assert event.values == {"close": newest["close"]}
    assert event.emitted_at == clock.now_ms()


@pytest.mark.parametrize("text", ["BTCUSDT 1h: close < 1", "BTCUSDT 1h: close > sma(200)"])
def test_what_is_false_or_not_known_is_not_told(store: FileStore, truths: StoreTruthSource, text: str) -> None:
    assert truths.now(register(store, text)) is None


def test_a_condition_that_nobody_registered_is_not_true(truths: StoreTruthSource) -> None:
    assert truths.now("0" * 32) is None
