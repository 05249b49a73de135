"""Registering and subscribing: equal conditions are one row, and asking twice changes nothing."""

from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import InstrumentError, QuotaExceeded, StoreError
from registry.conditions import Condition
from registry.quotas import ConditionQuota
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt


@pytest.fixture
def with_candles(store: Store, sample: pl.DataFrame) -> Store:
    store.candles.upsert(sample.filter(pl.col("timeframe") == "1h").group_by("symbol").head(3).select(sample.columns))
    return store


def request_for(user: str, bot: str, condition: Condition, **config: object) -> SubscriptionRequest:
    return SubscriptionRequest(user, bot, condition.id, "dca", config)


RSI = Condition.parse("BTCUSDT 1h: rsi(14) crosses_below 30")
SAME = Condition.parse(
    {"symbol": "btc/usdt", "timeframe": "60m", "indicator": "RSI", "operator": "crosses_under", "value": 30.0}
)
OTHER = Condition.parse("BTCUSDT 1h: rsi(14) < 30")


def test_equal_conditions_are_one(with_candles: Store) -> None:
    answers = with_candles.registry.register([RSI, SAME, OTHER], active_from_ms=5)
    assert [answer.created for answer in answers] == [True, False, True]
    assert answers[0].condition_id == answers[1].condition_id
    assert [answer.created for answer in with_candles.registry.register([SAME], active_from_ms=9)] == [False]
    stored = {each.condition_id: each for each in with_candles.registry.conditions("1h")}
    assert set(stored) == {RSI.id, OTHER.id}
    assert stored[RSI.id].active_from_ms == 5, "known already: it stays active from its first registration"
    assert stored[RSI.id].canonical == RSI.canonical
    assert with_candles.registry.conditions("5m") == []


def test_conditions_are_counted_to_who_registered_them_first(
    open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame
) -> None:
    quota = ConditionQuota(1, 1_000)

    def register(store: Store, user_id: str, *conditions: Condition) -> list[bool]:
        by = {condition.id: user_id for condition in conditions}
        results = store.registry.register(conditions, active_from_ms=0, registered_by=by, quota=quota)
        return [result.created for result in results]

    with open_at(tmp_path / "s") as store:
        store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
        assert register(store, "ann", RSI) == [True]
        with pytest.raises(QuotaExceeded, match="0 are left, 1 were sent"):
            register(store, "ann", RSI, OTHER)
        assert register(store, "bob", RSI, OTHER) == [False, True], "the first is counted to ann"
        store.registry.register([Condition.parse("BTCUSDT 1h: close > 5")], active_from_ms=0)
    with open_at(tmp_path / "s") as again:
        for user_id in ("ann", "bob"):
            with pytest.raises(QuotaExceeded) as refused:
                register(again, user_id, Condition.parse("BTCUSDT 1h: close > 6"))
            assert refused.value.user_id == user_id
            assert refused.value.wait_s is not None


def test_an_unknown_instrument_is_refused_and_nothing_is_stored(with_candles: Store) -> None:
    with pytest.raises(InstrumentError, match="BTCUSDT"):
        with_candles.registry.register([OTHER, Condition.parse("BTCUSD 1h: close > 1")], active_from_ms=0)
    assert with_candles.registry.conditions() == []


def test_subscribing_twice_is_one_subscription(with_candles: Store) -> None:
    registry = with_candles.registry
    registry.register([RSI, OTHER], active_from_ms=0)
    requests = [request_for("ann", "b1", RSI), request_for("ann", "b1", RSI), request_for("bob", "b1", RSI)]
    answers = registry.subscribe(requests, active_from_ms=0)
    assert [(answer.created, answer.changed) for answer in answers] == [(True, True), (False, False), (True, True)]
    assert [answer.subscription.user_id for answer in answers] == ["ann", "ann", "bob"]
    (again,) = registry.subscribe([request_for("ann", "b1", RSI)], active_from_ms=7)
    assert (again.subscription, again.changed) == (answers[0].subscription, False)
    assert registry.subscribers() == {RSI.id: 2}
    assert registry.totals() == {
        **{"conditions": 2, "subscriptions": 2, "users": 2, "bots": 2, "subscribed": 1},
        **{"in_error": 0, "retired": 0, "superseded": 0},
    }


def test_another_configuration_is_a_new_revision_of_the_same_subscription(with_candles: Store) -> None:
    registry = with_candles.registry
    registry.register([RSI], active_from_ms=0)
    registry.subscribe([request_for("ann", "b1", RSI, size=1)], active_from_ms=0)
    (changed,) = registry.subscribe([request_for("ann", "b1", RSI, size=2)], active_from_ms=9)
    assert (changed.created, changed.changed, changed.subscription.revision) == (False, True, 2)
    assert changed.subscription.active_from_ms == 0, "it was active all the time"
    assert registry.totals()["subscriptions"] == 1


def test_a_condition_must_be_registered_first(with_candles: Store) -> None:
    with pytest.raises(StoreError, match="register it"):
        with_candles.registry.subscribe([request_for("ann", "b1", RSI)], active_from_ms=0)


def test_every_change_moves_the_version(with_candles: Store) -> None:
    registry = with_candles.registry
    seen = [registry.version()]
    registry.register([RSI], active_from_ms=0)
    seen.append(registry.version())
    registry.subscribe([request_for("ann", "b1", RSI)], active_from_ms=0)
    seen.append(registry.version())
    assert len(set(seen)) == 3
    registry.register([SAME], active_from_ms=0)
    registry.subscribe([request_for("ann", "b1", RSI)], active_from_ms=0)
    assert registry.version() == seen[-1]


def test_a_version_stands_for_one_content_over_restarts(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    """Otherwise a worker could take the conditions of the previous owner for those of this one."""
    seen: dict[int, tuple[int, ...]] = {}
    hours = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3)
    candle_versions = set()
    for turn in range(3):
        with open_at(tmp_path) as store:
            store.candles.upsert(hours.with_columns(pl.col("volume") + turn))
            candle_versions.add(store.candles.version([RSI.series]))
            registry = store.registry
            assert not seen or max(seen) == registry.version(), "nothing has changed"
            first, second = (Condition.parse(f"BTCUSDT 1h: rsi(14) < {turn + 1}.{number}") for number in range(2))
            registry.register([first, second], active_from_ms=turn)
            registry.subscribe([request_for("ann", "b", first), request_for("ann", "b", second)], active_from_ms=turn)
            registry.unsubscribe("ann", "b", first.id, at_ms=turn)
            assert registry.version() not in seen
            seen[registry.version()] = tuple(registry.totals().values())
    assert list(seen) == sorted(seen)
    assert len(candle_versions) == 3


def test_the_registry_is_the_same_after_opening_again(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    clock = ReplayClock(1_000)
    with open_at(tmp_path / "s", clock) as store:
        store.candles.upsert(sample.filter(pl.col("timeframe") == "1h").head(5))
        symbol = store.candles.instruments()[0].symbol
        condition = Condition.parse(f"{symbol} 1h: rsi < 30")
        store.registry.register([condition], active_from_ms=42)
        store.registry.subscribe([request_for("ann", "b1", condition, size=1)], active_from_ms=42)
        before = (store.registry.conditions(), store.registry.subscriptions_of("ann"), store.registry.totals())
    with open_at(tmp_path / "s", clock) as store:
        registry = store.registry
        assert (registry.conditions(), registry.subscriptions_of("ann"), registry.totals()) == before
        assert not registry.subscribe([request_for("ann", "b1", condition, size=1)], active_from_ms=50)[0].changed
        assert registry.subscribe([request_for("ann", "b1", condition, size=9)], active_from_ms=50)[0].changed


def test_a_configuration_is_in_no_text_of_its_request() -> None:
    assert "hunter2" not in repr(request_for("ann", "b1", RSI, secret="hunter2"))
