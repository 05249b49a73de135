"""What a tick would have to take in before its close is taken in between the ticks."""

from datetime import UTC, datetime

import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from flows.advance import advance
from flows.live import Live
from flows.preparing import prepare_unless_ticking
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY = datetime(2024, 8, 5, tzinfo=UTC)


@pytest.fixture
def runtime(store: FileStore, log: MemoryLog, clock: ReplayClock, sample: pl.DataFrame) -> Runtime:
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 35")
    store.candles.upsert(sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")))
    clock.move_to(to_ms(DAY))
    store.registry.register([condition], active_from_ms=clock.now_ms())
    store.registry.subscribe([SubscriptionRequest("ann", "b", condition.id, "dca", {})], active_from_ms=clock.now_ms())
    return Runtime(store, log, clock)


async def test_a_tick_finds_its_state_prepared(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_unless_ticking(runtime, "1h")
    assert runtime.live["1h", None].conditions
    monkeypatch.setattr(Live, "grow", lambda *_: pytest.fail("nothing is left to take in"))
    assert (await advance(runtime, "1h", to_ms(DAY) + HOUR)).ticks == 1


def test_a_state_that_a_run_moves_is_left_alone(runtime: Runtime) -> None:
    with runtime.turn("1h"):
        prepare_unless_ticking(runtime, "1h")
    assert not runtime.live
    prepare_unless_ticking(runtime, "1h")
    assert runtime.live, "the turn is given back"
