"""Quotas hold exactly between processes on one store, all of which write at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import QuotaExceeded
from registry.conditions import Condition
from registry.quotas import BotQuota, ConditionQuota, SubscriptionQuota, WebhookQuota
from registry.store import open_store
from registry.store.parts.bots import ConditionUse, NewBot
from registry.store.parts.delivery import Webhook
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy
from tests.postgres_server import PostgresServer

CONDITIONS = [Condition.parse(f"BTCUSDT 1h: close > {number}") for number in range(1, 25)]
PLENTY = SubscriptionQuota(1_000, 1_000, 1_000_000)


@pytest.fixture
def stores(postgres: PostgresServer, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame) -> Iterator[list[Store]]:
    """Three processes' stores."""
    url = postgres.url_of(tmp_path)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_store(url, clock=clock)) for _ in range(3)]
        opened[0].candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
        yield opened
    postgres.drop_databases()


def taken(stores: list[Store], work: Callable[[Store, int], object], count: int = len(CONDITIONS)) -> int:
    """Do something many times, everywhere at once; returns how often it was not refused."""

    def one(number: int) -> bool:
        try:
            work(stores[number % len(stores)], number)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        return sum(threads.map(one, range(count)))


def register(store: Store, number: int) -> None:
    condition = CONDITIONS[number]
    store.registry.register(
        [condition], active_from_ms=0, registered_by={condition.id: "ann"}, quota=ConditionQuota(10, 1_000)
    )


def test_new_conditions_of_a_day(stores: list[Store]) -> None:
    assert taken(stores, register) == 10
    assert {len(store.registry.conditions()) for store in stores} == {10}


def test_subscriptions_bots_and_bytes(stores: list[Store]) -> None:
    stores[0].registry.register(CONDITIONS, active_from_ms=0)

    def subscribe(quota: SubscriptionQuota, user_id: str) -> Callable[[Store, int], object]:
        def ask(store: Store, number: int) -> object:
            request = SubscriptionRequest(
                user_id, f"bot-{number % 8}", CONDITIONS[number].id, "dca", {"a": "x" * (100 - 8)}
            )
            return store.registry.subscribe([request], active_from_ms=0, quota=quota)

        return ask

    assert taken(stores, subscribe(replace(PLENTY, subscriptions=7), "ann")) == 7
    assert taken(stores, subscribe(replace(PLENTY, bots=3), "bob")) == 9, "three bots with three each"
    assert taken(stores, subscribe(replace(PLENTY, config_bytes=1_150), "eve")) == 11
    assert stores[1].registry.config_bytes("eve") == 1_100


def test_many_in_one_request_are_taken_whole_or_not_at_all(stores: list[Store]) -> None:
    stores[0].registry.register(CONDITIONS, active_from_ms=0)
    requests = [SubscriptionRequest("ann", f"bot-{number}", CONDITIONS[0].id, "dca", {}) for number in range(6)]
    quota = replace(PLENTY, bots=5)
    with pytest.raises(QuotaExceeded, match="5 bots"):
        stores[0].registry.subscribe(requests, active_from_ms=0, quota=quota)
    assert not stores[0].registry.subscriptions_of("ann")
    stores[0].registry.subscribe(requests[:5], active_from_ms=0, quota=quota)
    stores[1].registry.subscribe(requests[:5], active_from_ms=0, quota=quota)
    assert stores[2].registry.unsubscribe("ann", "bot-0", CONDITIONS[0].id, at_ms=0)
    assert stores[1].registry.subscribe(requests[5:], active_from_ms=0, quota=quota)[0].created


def test_webhooks(stores: list[Store], clock: ReplayClock) -> None:
    def add(store: Store, number: int) -> None:
        webhook = Webhook(f"w{number}", "ann", "https://example.com", "secret", None, "active", clock.now_ms(), 0, 1)
        store.delivery.add_webhook(webhook, WebhookQuota(4))

    assert taken(stores, add) == 4
    assert {len(store.delivery.webhooks("ann")) for store in stores} == {4}


def test_bots(stores: list[Store]) -> None:
    stores[0].registry.register(CONDITIONS[:1], active_from_ms=0)
    uses = (ConditionUse("start", CONDITIONS[0].id, "start"),)

    def make(store: Store, number: int) -> None:
        bot = NewBot("ann", f"bot-{number}", "dca", "paper", ("BINANCE:BTCUSDT",), uses, {})
        store.bots.create(bot, DeliveryPolicy(), active_from_ms=0, quota=BotQuota(3, 1_000, PLENTY))

    assert taken(stores, make, 12) == 3
    assert {store.bots.active_count("ann") for store in stores} == {3}
    assert len(stores[2].registry.subscriptions_of("ann")) == 3
