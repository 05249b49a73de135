"""The owner is killed at random moments: everything it acknowledged is there, and clients continue by themselves.

``HUB_TEST_EFFORT=15`` kills it more than a hundred times. The same moments again: ``HUB_TEST_SEED=N``.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from common.timeframes import from_ms
from registry.conditions import Condition
from registry.keys import new_key
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.store.protocol import Store
from tests.registry.store.owner import Owner
from tests.registry.store.serving import TOKEN
from tests.registry.store.ticks import BTC, ETH, HOUR, tick
from tests.waiting import wait_for

KILLS = 7 * int(os.environ.get("HUB_TEST_EFFORT", "1"))
SEED = int(os.environ.get("HUB_TEST_SEED", random.randrange(10**9)))


class Acknowledged:
    """What the owner has answered to, and what must be there for it."""

    def __init__(self) -> None:
        self.conditions: set[str] = set()
        self.subscriptions: dict[tuple[str, str], StoredSubscription] = {}
        self.ticks: list[range] = []
        self.volumes: dict[int, float] = {}
        self.keys: set[str] = set()
        self.cursor = 0

    def total(self) -> int:
        """Number of answers, about."""
        return len(self.conditions) + len(self.subscriptions) + len(self.ticks) + len(self.keys) + self.cursor


def register_and_subscribe(store: Store, done: Acknowledged, turn: int) -> None:
    """One condition more, three bots that want it, of which one is paused and one leaves."""
    condition = Condition.parse(f"BTCUSDT 1h: rsi(14) < {turn // 1_000 + 1}.{turn % 1_000:03d}")
    store.registry.register([condition], active_from_ms=0)
    done.conditions.add(condition.id)
    requests = [SubscriptionRequest("ann", f"{turn} {bot}", condition.id, "dca", {"turn": turn}) for bot in "abc"]
    for subscribed in store.registry.subscribe(requests, active_from_ms=turn):
        done.subscriptions[subscribed.subscription.bot_id, condition.id] = subscribed.subscription
    paused = store.registry.set_paused("ann", f"{turn} a", condition.id, True, at_ms=turn)
    assert paused is not None
    done.subscriptions[f"{turn} a", condition.id] = paused
    store.registry.unsubscribe("ann", f"{turn} b", condition.id, at_ms=turn)
    del done.subscriptions[f"{turn} b", condition.id]


def record(store: Store, done: Acknowledged, turn: int) -> None:
    """The next tick, which follows the last one in spite of everything."""
    answer = store.ticks.record_tick(tick((turn + 1) * HOUR, (BTC, turn * HOUR if turn else None), triggers=turn % 4))
    assert answer.start == (done.ticks[-1].stop if done.ticks else 1)
    done.ticks.append(answer)


def write_candles(store: Store, done: Acknowledged, turn: int) -> None:
    """A new candle, and a correction of the one before."""
    rows = pl.DataFrame(
        [
            ("BINANCE", "ETHUSDT", "1h", from_ms(number * HOUR), 1.0, 2.0, 0.5, 1.5, float(turn))
            for number in (turn, turn + 1)
        ],
        schema={
            "exchange": pl.String,
            "symbol": pl.String,
            "timeframe": pl.String,
            "open_time": pl.Datetime("ms", "UTC"),
            **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
        },
        orient="row",
    )
    store.candles.upsert(rows)
    done.volumes |= {turn * HOUR: float(turn), (turn + 1) * HOUR: float(turn)}


def add_keys(store: Store, done: Acknowledged, turn: int) -> None:
    """A key more, and a reader that moves on."""
    key, _ = new_key("ann", "user", "", turn)
    store.accounts.add_key(key)
    done.keys.add(key.key_id)
    store.delivery.move_cursor("reader", turn)
    done.cursor = turn


@contextmanager
def working(store: Store, done: Acknowledged, failed: list[BaseException]) -> Iterator[None]:
    """Threads that write without a pause until the block ends, each with its own kind of work."""
    stop = threading.Event()

    def work(write: Callable[[Store, Acknowledged, int], None]) -> None:
        turn = 0
        try:
            while not stop.is_set():
                write(store, done, turn)
                turn += 1
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(write,))
        for write in (register_and_subscribe, record, write_candles, add_keys)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def answered(done: Acknowledged, failed: list[BaseException], total: int) -> bool:
    """Whether the owner has given so many answers; true as well once a thread has failed."""
    return done.total() >= total or bool(failed)


def test_what_was_acknowledged_is_there_whenever_the_owner_is_killed(tmp_path: Path, sample: pl.DataFrame) -> None:
    dice = random.Random(SEED)
    done, failed = Acknowledged(), list[BaseException]()
    with FileStore(tmp_path) as store:
        hours = sample.filter(pl.col("timeframe") == "1h")
        store.candles.upsert(hours.filter(pl.col("symbol") == "BTCUSDT").head(3))
    with Owner(tmp_path) as owner, open_store(owner.url, token=TOKEN) as store:
        with working(store, done, failed):
            for _ in range(KILLS):
                wait_for(partial(answered, done, failed, done.total() + 3), "the owner to answer", 60)
                time.sleep(dice.random() * 0.4)
                owner.kill()
                owner.start()
        assert failed == [], f"HUB_TEST_SEED={SEED}"
        assert_there(store, done)
    with FileStore(tmp_path) as store:
        assert_there(store, done)
        problems = [one for one in store.check() if one.problem]
        # The test's ticks fire the same few conditions, which nobody has registered, at many times.
        assert {one.subject for one in problems} <= {"triggers belong to registered conditions"}


def assert_there(store: Store, done: Acknowledged) -> None:
    """Whether the store has everything that was acknowledged."""
    seed = f"HUB_TEST_SEED={SEED}"
    assert done.ticks, seed
    assert {stored.condition_id for stored in store.registry.conditions()} >= done.conditions, seed
    subscriptions = {(each.bot_id, each.condition_id): each for each in store.registry.subscriptions_of("ann")}
    assert subscriptions == done.subscriptions, seed
    changes = [one.change for one in store.registry.subscription_changes(0, 10**9)]
    assert len(set(changes)) == len(changes), seed
    assert store.ticks.ticks().height == len(done.ticks), seed
    assert store.triggers.after(0, 10**9)["seq"].to_list() == list(range(1, done.ticks[-1].stop)), seed
    candles = store.candles.between(ETH.base, 0, 10**15)
    assert dict(zip(candles["open_time"].dt.epoch("ms"), candles["volume"], strict=True)) == done.volumes, seed
    keys = store.accounts.keys()
    assert {key.key_id for key in keys} == done.keys, seed
    assert store.delivery.cursors()["reader"] == done.cursor, seed
