"""Eight processes at once: they register, subscribe and read while candles are written and ticks are recorded.

There is no error, and no write is lost. ``HUB_TEST_EFFORT=N``: N times as many turns.
"""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl

from registry.conditions import Condition
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.registry.store.owner import Owner
from tests.registry.store.serving import TOKEN
from tests.registry.store.ticks import BTC, HOUR, tick

PROCESSES = 8
TURNS = 12 * int(os.environ.get("HUB_TEST_EFFORT", "1"))


def take_part(url: str, number: int) -> list[str]:
    """What one process does; the conditions that it has subscribed to."""
    user, mine = f"user {number}", []
    with open_store(url, token=TOKEN) as store:
        last_seq = 0
        for turn in range(TURNS):
            # One of its own, and one that all of them want.
            conditions = [
                Condition.parse(f"BTCUSDT 1h: rsi(14) < {turn}.{number}"),
                Condition.parse(f"BTCUSDT 1h: close > {turn}"),
            ]
            ids = [answer.condition_id for answer in store.registry.register(conditions, active_from_ms=0)]
            assert ids == [condition.id for condition in conditions]
            requests = [SubscriptionRequest(user, "bot", condition_id, "dca", {"of": user}) for condition_id in ids]
            answers = store.registry.subscribe(requests, active_from_ms=0)
            assert [(answer.created, answer.subscription.user_id) for answer in answers] == [(True, user)] * 2
            mine += ids
            assert [each.condition_id for each in store.registry.subscriptions_of(user)] == mine
            assert store.registry.bot_config(user, "bot", ids[0]) == {"of": user}
            assert user in {each.user_id for each in store.registry.subscribers_of(ids[1])}
            assert store.candles.between(BTC.base, 0, 10**15).height > 0
            triggers = store.triggers.after(last_seq, 10_000)["seq"].to_list()
            assert triggers == list(range(last_seq + 1, last_seq + 1 + len(triggers)))
            last_seq += len(triggers)
    return mine


def test_eight_processes_at_once_lose_nothing(tmp_path: Path, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).sort("open_time")
    with FileStore(tmp_path) as store:
        store.candles.upsert(hours.head(100))
    recorded, stop = [0], threading.Event()

    def feed(url: str) -> None:
        with open_store(url, token=TOKEN) as store:
            while not stop.is_set():
                turn = recorded[0]
                store.candles.upsert(hours[100 + turn])
                store.ticks.record_tick(tick((turn + 1) * HOUR, (BTC, turn * HOUR if turn else None), triggers=2))
                recorded[0] = turn + 1

    with Owner(tmp_path) as owner:
        feeding = threading.Thread(target=feed, args=(owner.url,))
        feeding.start()
        try:
            context = multiprocessing.get_context("forkserver")
            with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
                subscribed = list(pool.map(take_part, [owner.url] * PROCESSES, range(PROCESSES)))
        finally:
            stop.set()
            feeding.join()
    assert recorded[0] > 0
    with FileStore(tmp_path) as store:
        for number, mine in enumerate(subscribed):
            assert [each.condition_id for each in store.registry.subscriptions_of(f"user {number}")] == mine
        totals = store.registry.totals()
        assert {name: totals[name] for name in ("conditions", "subscriptions", "users", "bots")} == {
            "conditions": (PROCESSES + 1) * TURNS,
            "subscriptions": 2 * PROCESSES * TURNS,
            "users": PROCESSES,
            "bots": PROCESSES,
        }
        assert store.candles.between(BTC.base, 0, 10**15).equals(hours.head(100 + recorded[0]))
        assert store.triggers.last_seq() == 2 * recorded[0]
        assert store.ticks.ticks().height == recorded[0]
