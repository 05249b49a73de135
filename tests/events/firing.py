"""A store that fires as a test wants, with its log on a real server."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from common.timeframes import from_ms
from events.log.publisher import drain
from events.log.redis_log import RedisEventLog
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.subscriptions import DeliveryPolicy
from tests.registry.store.ticks import BTC, HOUR, tick


class Firing:
    """Each tick, an hour after the one before, fires some conditions; :meth:`publish` also publishes them."""

    def __init__(self, store: FileStore, log: RedisEventLog) -> None:
        self.store = store
        self.log = log
        self.ticks = 0

    def fire(self, which: int | Sequence[str]) -> None:
        """Record a tick with a number of triggers of made-up conditions, or with one of each condition listed."""
        before = self.ticks * HOUR or None
        self.ticks += 1
        count = which if isinstance(which, int) else len(which)
        record = tick(self.ticks * HOUR, (BTC, before), triggers=count)
        if not isinstance(which, int):
            named = record.triggers.with_columns(pl.Series("condition_id", which, dtype=pl.String))
            close_ms = self.ticks * HOUR
            record = replace(
                record,
                triggers=named.with_columns((pl.col("condition_id") + f":{close_ms}").alias("trigger_id")),
            )
        self.store.ticks.record_tick(record)

    def publish(self, which: int | Sequence[str]) -> int:
        """Record a tick and publish what the log lacks; returns how many events that was."""
        self.fire(which)
        return drain(self.store, self.log)

    def log_is_whole(self) -> bool:
        """Whether the log holds exactly the store's triggers, in order."""
        published = [(entry.seq, entry.event.trigger_id) for entry in self.log.read(0, 1_000_000)]
        rows = self.store.triggers.after(0, 1_000_000)
        assert rows.height, "a store without triggers has no log to compare"
        return published == list(zip(rows["seq"], rows["trigger_id"], strict=True))


def known_conditions(store: FileStore, count: int) -> list[str]:
    """Register a number of conditions and return their ids."""
    store.candles.upsert(
        pl.DataFrame(
            {
                "exchange": ["BINANCE"],
                "symbol": ["BTCUSDT"],
                "timeframe": ["1h"],
                "open_time": [from_ms(0)],
                **{name: [1.0] for name in ("open", "high", "low", "close", "volume")},
            }
        ).with_columns(pl.col("open_time").cast(pl.Datetime("ms", "UTC")))
    )
    conditions = [Condition.parse(f"BTCUSDT 1h: close > {number}") for number in range(1, count + 1)]
    return [registered.condition_id for registered in store.registry.register(conditions, active_from_ms=0)]


def subscribe(
    store: FileStore,
    condition_id: str,
    *bots: str,
    user: str = "ann",
    active_from_ms: int = 0,
    policy: DeliveryPolicy | None = None,
) -> list[StoredSubscription]:
    """Subscribe bots of a user to a condition."""
    requests = [SubscriptionRequest(user, bot, condition_id, "dca", {}, policy or DeliveryPolicy()) for bot in bots]
    return [answer.subscription for answer in store.registry.subscribe(requests, active_from_ms=active_from_ms)]
