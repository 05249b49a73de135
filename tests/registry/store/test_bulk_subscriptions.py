"""Many requests in one call do what they do one by one: the same answers, numbers and configurations."""

import random
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import QuotaExceeded
from registry.conditions import Condition
from registry.quotas import SubscriptionQuota
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy

CONDITIONS = [Condition.parse(f"BTCUSDT 1h: close > {number}") for number in range(1, 5)]
USERS = ("ann", "bob", "cid")
PLENTY = SubscriptionQuota(1_000, 1_000, 1_000_000)


def some_requests(dice: random.Random, count: int) -> list[SubscriptionRequest]:
    """Of few users, bots and conditions, so that some are repeated, some change and some are new."""
    return [
        SubscriptionRequest(
            dice.choice(USERS),
            dice.choice(("grid", "dca")),
            dice.choice(CONDITIONS).id,
            dice.choice(("dca", "grid")),
            {"size": dice.choice((1, 2))},
            DeliveryPolicy(cooldown_s=dice.choice((0, 60))),
        )
        for _ in range(count)
    ]


def opened(folder: Path, clock: ReplayClock, sample: pl.DataFrame) -> FileStore:
    store = FileStore(folder, clock=clock)
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
    store.registry.register(CONDITIONS, active_from_ms=0)
    return store


def knowledge(store: Store) -> tuple[object, ...]:
    registry = store.registry
    return (
        [registry.subscription_records(user) for user in USERS],
        # Of revisions of one commit, the last counts: it has the place of that.
        [sorted(registry.subscriptions_of(user), key=lambda each: each.change) for user in USERS],
        [sorted(registry.subscribers_of(condition.id), key=lambda each: each.change) for condition in CONDITIONS],
        [(registry.config_bytes(user), registry.bots_of(user)) for user in USERS],
        registry.subscription_changes(0, 1_000),
        registry.activity(),
        registry.subscribers(),
        registry.totals(),
        registry.version(),
    )


@pytest.mark.parametrize("seed", range(6))
def test_a_call_of_many_does_what_calls_of_one_do(
    seed: int, tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    dice = random.Random(seed)
    with opened(tmp_path / "many", clock, sample) as many, opened(tmp_path / "one", clock, sample) as one:
        for _ in range(4):
            requests = some_requests(dice, dice.choice((1, 5, 40)))
            at_ms, quota = dice.randint(0, 9) * 3_600_000, dice.choice((None, PLENTY))
            together = many.registry.subscribe(requests, active_from_ms=at_ms, quota=quota)
            apart = [one.registry.subscribe([each], active_from_ms=at_ms, quota=quota) for each in requests]
            assert [[answer] for answer in together] == apart
            assert knowledge(many) == knowledge(one)
            for each in dice.sample(requests, k=min(4, len(requests))):
                key = each.user_id, each.bot_id, each.condition_id
                paused = dice.random() < 0.5
                for store in (many, one):
                    if paused:
                        store.registry.set_paused(*key, True, at_ms=at_ms)
                    else:
                        store.registry.unsubscribe(*key, at_ms=at_ms)
            clock.move_to(clock.now_ms() + 60_000)
        before = knowledge(many)
    with FileStore(tmp_path / "many", clock=clock) as many, FileStore(tmp_path / "one", clock=clock) as one:
        assert knowledge(many) == knowledge(one) == before


def test_requests_of_one_call_count_towards_the_quota_in_any_order(
    tmp_path: Path, clock: ReplayClock, sample: pl.DataFrame
) -> None:
    def request(bot: str, condition: Condition, size: int = 1) -> SubscriptionRequest:
        return SubscriptionRequest("ann", bot, condition.id, "dca", {"text": "x" * size})

    with opened(tmp_path, clock, sample) as store:
        (known,) = store.registry.subscribe([request("a", CONDITIONS[0])], active_from_ms=0)
        few = [request("a", CONDITIONS[0]), request("a", CONDITIONS[1]), request("a", CONDITIONS[2])]
        for requests in permutations(few):
            with pytest.raises(QuotaExceeded, match="2 subscriptions"):
                store.registry.subscribe(requests, active_from_ms=0, quota=SubscriptionQuota(2, 9, 10_000))
        for requests in permutations([request("b", CONDITIONS[0]), request("c", CONDITIONS[0])]):
            with pytest.raises(QuotaExceeded, match="2 bots"):
                store.registry.subscribe(requests, active_from_ms=0, quota=SubscriptionQuota(9, 2, 10_000))
        for requests in permutations([request("a", CONDITIONS[1], 50), request("a", CONDITIONS[2], 50)]):
            with pytest.raises(QuotaExceeded, match="100 bytes"):
                store.registry.subscribe(requests, active_from_ms=0, quota=SubscriptionQuota(9, 9, 100))
        assert store.registry.subscriptions_of("ann") == [known.subscription]
        assert all(each.created for each in store.registry.subscribe(few[1:], active_from_ms=0, quota=PLENTY))
