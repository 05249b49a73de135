"""A hub that serves its API on a real socket, with store, event log and server in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import polars as pl
import uvicorn

from api.app import create_app
from api.http.connection import http_config
from api.service import Service
from candles.market_lists import MarketLists
from common.clock import Clock, ReplayClock
from common.settings import load_settings
from common.timeframes import DURATION_MS, from_ms, to_ms
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.accounts import Role
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.protocol import Store
from tests.events.log.memory_log import MemoryLog
from tests.waiting import wait_for

NOON_MS = 1_722_945_600_000
"""2024-08-06 12:00, in the middle of the sample candles."""
RSI: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "timeframe": "1h",
    "indicator": "RSI",
    "operator": "crosses_below",
    "value": 30,
    "period": 14,
}
CONFIG = {"baseOrderSize": 100, "apiSecret": "s3cr3t-of-the-bot"}


class Hub:
    """The served hub. Keys are made on demand, one per user."""

    def __init__(
        self,
        folder: Path,
        candles: pl.DataFrame | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock | None = None,
        *,
        markets: bool = False,
        **settings: Any,
    ) -> None:
        generous = {
            f"api_rate_{name}": "1000000/minute" for name in ("read", "write", "bulk", "compute", "stream", "refused")
        }
        self.settings = load_settings(data_dir=folder, **{**generous, **settings})
        self.clock = ReplayClock(NOON_MS)
        now = clock or self.clock
        self.store = FileStore(folder / "store", clock=now)
        self.store.announce_upgrades()
        if candles is not None:
            self.store.candles.upsert(candles)
        self.log = MemoryLog()
        lists = MarketLists(folder) if markets else None
        self.service = Service(self.store, self.settings, self.log, now, monotonic=monotonic, markets=lists)
        self.app = create_app(self.service)
        config = http_config(self.app, grace_s=2)
        config.port = 0
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._keys: dict[tuple[str, Role], str] = {}
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self._server.started, "the server to start")
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self.service.user_feed.end_streams()
        self._server.should_exit = True
        self._thread.join()
        self.store.close()

    def key(self, user_id: str, role: Role = "user") -> str:
        """The text of a user's key."""
        if (user_id, role) not in self._keys:
            key, text = new_key(user_id, role, "test", self.clock.now_ms())
            self.store.accounts.add_key(key)
            self._keys[user_id, role] = text
        return self._keys[user_id, role]

    def as_user(self, user_id: str, role: Role = "user") -> httpx.Client:
        """A client with a user's key."""
        headers = {"Authorization": f"Bearer {self.key(user_id, role)}"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=20)
        self._clients.append(client)
        return client

    def nobody(self) -> httpx.Client:
        """A client without a key."""
        client = httpx.Client(base_url=self.url, timeout=20)
        self._clients.append(client)
        return client

    def fire(self, *condition_ids: str, count: int = 1) -> list[int]:
        """Record ticks on which conditions of BTCUSDT 1h fire; the ``seq`` of their triggers."""
        seqs: list[int] = []
        for _ in range(count):
            seqs += record_tick(self.store, self.clock, condition_ids)
        return seqs


def record_tick(store: Store, clock: ReplayClock, condition_ids: tuple[str, ...], *, before_ms: int = NOON_MS) -> range:
    """One hourly tick after the last one (the first is after ``before_ms``), with the triggers of these conditions."""
    series, length = Series.parse("BINANCE:BTCUSDT 1h"), DURATION_MS["1h"]
    group = Group((series,))
    mark = store.ticks.watermarks("1h").get(group)
    close_ms = (mark if mark is not None else before_ms) + length
    clock.move_to(close_ms)
    triggers = pl.DataFrame(
        [
            {
                "trigger_id": f"{condition_id}:{close_ms}",
                "condition_id": condition_id,
                "exchange": "BINANCE",
                "symbol": "BTCUSDT",
                "timeframe": "1h",
                "open_time": from_ms(close_ms - length),
                "close_time": from_ms(close_ms),
                "values": '{"close":50000.0}',
                "price": 50_000.0,
                "settled": True,
                "late": False,
                "definition_versions": "rsi=1",
            }
            for condition_id in condition_ids
        ]
    )
    if triggers.height:
        triggers = triggers.with_columns(pl.col("open_time", "close_time").dt.cast_time_unit("ms"))
    metrics = TickMetrics(**dict.fromkeys(TickMetrics.__dataclass_fields__, 1))
    return store.ticks.record_tick(
        TickRecord(
            timeframe="1h",
            close_time_ms=close_ms,
            late=False,
            moves=(WatermarkMove(group, mark, close_ms),),
            triggers=triggers,
            holes=(),
            anchors={} if mark is not None else {series: NOON_MS - 100 * length},
            metrics=metrics,
        )
    )


@contextmanager
def a_hub(folder: Path, monotonic: Callable[[], float] = time.monotonic, **settings: Any) -> Iterator[Hub]:
    """A hub for one test, with candles of a single instrument."""
    with Hub(folder, few_candles(), monotonic, **settings) as served:
        yield served


def few_candles() -> pl.DataFrame:
    """A hundred flat hours of BTCUSDT up to noon."""
    length = DURATION_MS["1h"]
    opens = [from_ms(NOON_MS - (100 - number) * length) for number in range(100)]
    return pl.DataFrame(
        {"exchange": "BINANCE", "symbol": "BTCUSDT", "timeframe": "1h", "open_time": opens}
    ).with_columns(
        pl.col("open_time").dt.cast_time_unit("ms"),
        *(pl.lit(50_000.0).alias(name) for name in ("open", "high", "low", "close")),
        pl.lit(1.0).alias("volume"),
    )


def id_of(condition: object) -> str:
    """The id of a condition in any spelling."""
    return Condition.parse(condition).id  # type: ignore[arg-type]


def at(text: str) -> int:
    """Milliseconds of ``2024-08-05 01:00``."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))
