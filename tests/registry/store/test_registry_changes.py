"""What changed in the registry since a version: all of it, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from registry.activity import ActiveSpan
from registry.conditions import Condition
from registry.shards import Shard, bucket_of, even_shard
from registry.store.files.changed_conditions import ChangedConditions
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import RegistryChanges, StoredCondition, SubscriptionRequest
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

RSI = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
MACD = Condition.parse("ETHUSDT 1h: macd.histogram crosses_above 0")
DAILY = Condition.parse("BTCUSDT 1d: close > 1")


@pytest.fixture
def with_candles(store: Store, sample: pl.DataFrame) -> Store:
    store.candles.upsert(sample.filter(pl.col("timeframe") == "1h").group_by("symbol").head(3).select(sample.columns))
    return store


def subscribe(store: Store, user: str, condition: Condition) -> None:
    store.registry.subscribe([SubscriptionRequest(user, "b", condition.id, "dca", {})], active_from_ms=0)


def told(changes: RegistryChanges) -> tuple[set[str], dict[str, int]]:
    assert {each.condition_id for each in changes.conditions} == set(changes.activity)
    return set(changes.activity), dict(changes.subscribers)


def test_only_what_changed_is_told(with_candles: Store) -> None:
    registry = with_candles.registry
    registry.register([RSI, DAILY], active_from_ms=5, grace_ms=10)
    first = registry.changes_after(-1, "1h")
    assert (first.is_complete, first.version) == (True, registry.version())
    assert first.conditions == registry.conditions("1h")
    assert told(first) == ({RSI.id}, {RSI.id: 0})
    assert first.activity == {RSI.id: (ActiveSpan(5, 15),)}

    assert told(registry.changes_after(first.version, "1h")) == (set(), {})
    registry.register([MACD], active_from_ms=5)
    second = registry.changes_after(first.version, "1h")
    assert (second.is_complete, told(second)) == (False, ({MACD.id}, {}))

    subscribe(with_candles, "ann", RSI)
    third = registry.changes_after(second.version, "1h")
    assert told(third) == ({RSI.id}, {RSI.id: 1})
    assert third.activity == {RSI.id: (ActiveSpan(5, None),)}
    subscribe(with_candles, "bob", RSI)
    assert told(registry.changes_after(third.version, "1h")) == (set(), {RSI.id: 2})
    assert told(registry.changes_after(second.version, "1h")) == ({RSI.id}, {RSI.id: 2}), "each once"

    registry.unsubscribe("ann", "b", RSI.id, at_ms=20, grace_ms=10)
    registry.unsubscribe("bob", "b", RSI.id, at_ms=20, grace_ms=10)
    last = registry.changes_after(third.version, "1h")
    assert (told(last), last.activity[RSI.id][-1].until_ms) == (({RSI.id}, {RSI.id: 0}), 30)
    assert told(registry.changes_after(first.version, "1d")) == (set(), {})


def test_a_condition_that_is_judged_again_is_told(with_candles: Store) -> None:
    registry = with_candles.registry
    registry.register([RSI], active_from_ms=5)
    registry.report_errors({RSI.id: "no candles"})
    before = registry.version()
    registry.report_errors({}, [RSI.id])
    assert told(registry.changes_after(before, "1h"))[0] == {RSI.id}


def test_a_worker_is_told_of_its_shard(with_candles: Store) -> None:
    registry = with_candles.registry
    ours, others = (Shard(number, frozenset({bucket_of(each.series)})) for number, each in enumerate((RSI, MACD)))
    before = registry.version()
    registry.register([RSI, MACD], active_from_ms=5)
    subscribe(with_candles, "ann", MACD)
    assert told(registry.changes_after(before, "1h", ours)) == ({RSI.id}, {})
    assert told(registry.changes_after(-1, "1h", others)) == ({MACD.id}, {MACD.id: 1})


def test_what_another_owner_wrote_is_told_as_a_whole(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3)
    with open_at(tmp_path) as store:
        store.candles.upsert(hours)
        before = store.registry.version()
        store.registry.register([RSI], active_from_ms=5)
        after = store.registry.version()
    with open_at(tmp_path) as again:
        assert again.registry.changes_after(before, "1h").is_complete
        unchanged = again.registry.changes_after(after, "1h")
        assert (unchanged.is_complete, told(unchanged)) == (False, (set(), {}))


def test_changes_are_in_the_order_of_the_newest() -> None:
    changed = ChangedConditions(known_from=3)
    changed.note(["a", "b"], 4)
    changed.note(["c"], 5)
    changed.note(["a"], 6)
    assert changed.after(2) is None
    assert changed.after(3) == ["b", "c", "a"]
    assert changed.after(4) == ["c", "a"]
    assert changed.after(6) == []


def test_twenty_workers_cost_what_has_changed(tmp_path: Path, sample: pl.DataFrame) -> None:
    class Counted(dict[str, StoredCondition]):
        looked_up = 0

        def __getitem__(self, condition_id: str) -> StoredCondition:
            Counted.looked_up += 1
            return super().__getitem__(condition_id)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all conditions are gone through for the sake of one")

        values = items = __iter__  # type: ignore[assignment]

    conditions = [Condition.parse(f"BTCUSDT 1h: rsi(14) < {number}") for number in range(1, 60)]
    with FileStore(tmp_path) as store:
        store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
        store.registry.register(conditions, active_from_ms=0)
        before = store.registry.version()
        subscribe(store, "ann", conditions[7])
        store.registry._conditions = Counted(store.registry._conditions)
        answers = [store.registry.changes_after(before, "1h", even_shard(shard, 20)) for shard in range(20)]
        told_to = [answer for answer in answers if answer.conditions]
        assert [told(answer) for answer in told_to] == [({conditions[7].id}, {conditions[7].id: 1})]
        assert Counted.looked_up == 2 * len(answers), "once for its time, once for its subscribers"
