"""Subscriptions: what they ask for, which state they are in, and that every reader can follow their changes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreError, StoreNotWritable, SubscriptionError
from common.timeframes import to_ms
from registry.conditions import Condition
from registry.store.files import registry_tables
from registry.store.files.file_store import FileStore
from registry.store.files.migrate import migrations
from registry.store.files.subscription_columns import SubscriptionEntry
from registry.store.files.subscription_index import SubscriptionIndex
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy
from tests.registry.store.serving import OpenAt

RSI = Condition.parse("BTCUSDT 1h: rsi(14) crosses_below 30")
SMA = Condition.parse("BTCUSDT 1h: close crosses_above sma(20)")


def filled(store: Store, sample: pl.DataFrame) -> Store:
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
    store.registry.register([RSI, SMA], active_from_ms=0)
    return store


@pytest.fixture
def hub(store: Store, sample: pl.DataFrame) -> Store:
    return filled(store, sample)


def request_for(user: str, bot: str, condition: Condition = RSI, **policy: object) -> SubscriptionRequest:
    return SubscriptionRequest(user, bot, condition.id, "dca", {"of": bot}, DeliveryPolicy(**policy))  # type: ignore[arg-type]


def subscribe(hub: Store, *requests: SubscriptionRequest, at_ms: int = 0) -> list[StoredSubscription]:
    return [answer.subscription for answer in hub.registry.subscribe(requests, active_from_ms=at_ms)]


def test_a_policy_comes_back_and_lasts_a_year_where_nothing_is_said(hub: Store) -> None:
    asked = DeliveryPolicy(60, 3, 10_000, 30, True, True, True)
    request = SubscriptionRequest("ann", "full", RSI.id, "dca", {}, asked)
    begin, day = to_ms(datetime(2024, 8, 5, 11, 30, tzinfo=UTC)), to_ms(datetime(2025, 8, 6, tzinfo=UTC))
    full, plain = subscribe(hub, request, request_for("ann", "plain"), at_ms=begin)
    assert full.policy == asked
    assert plain.policy == DeliveryPolicy(expires_ms=day)
    assert hub.registry.subscriptions_of("ann") == [full, plain]
    assert hub.registry.subscription("ann", "full", RSI.id) == full


def test_another_policy_is_a_change(hub: Store) -> None:
    subscribe(hub, request_for("ann", "b"))
    (answer,) = hub.registry.subscribe([request_for("ann", "b", cooldown_s=60)], active_from_ms=9)
    assert (answer.created, answer.changed, answer.subscription.policy.cooldown_s) == (False, True, 60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cooldown_s": -1},
        {"cooldown_s": 1.5},
        {"cooldown_s": True},
        {"max_fires": 0},
        {"expires_ms": -1},
        {"max_lag_s": 10**12},
        {"settled_only": 1},
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(SubscriptionError, match=next(iter(wrong))):
        DeliveryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a" * 129, "a\nb", "\ud800", " a"])
@pytest.mark.parametrize("field", ["user_id", "bot_id", "bot_type"])
def test_names_that_cannot_be_are_refused(field: str, name: str) -> None:
    with pytest.raises(SubscriptionError, match=field):
        replace(request_for("ann", "b"), **{field: name})  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [{"n": float("nan")}, {"n": {"m": [float("inf")]}}])
def test_a_configuration_that_is_no_json_is_refused_without_being_shown(hub: Store, config: dict[str, object]) -> None:
    with pytest.raises(SubscriptionError, match="bot_config") as refused:
        subscribe(hub, replace(request_for("ann", "b"), bot_config={"secret": "hunter2", **config}))
    assert "hunter2" not in str(refused.value)


def test_pausing_keeps_it_and_resuming_skips_the_pause(hub: Store) -> None:
    (made,) = subscribe(hub, request_for("ann", "b"), at_ms=10)
    paused = hub.registry.set_paused("ann", "b", RSI.id, True, at_ms=20)
    assert paused is not None
    assert (paused.state, paused.active_from_ms, paused.revision) == ("paused", 10, 2)
    assert hub.registry.set_paused("ann", "b", RSI.id, True, at_ms=30) == paused
    assert hub.registry.subscribers() == {}
    assert hub.registry.subscribers_of(RSI.id) == [paused]
    assert hub.registry.activity()[RSI.id][-1].until_ms is None, "it continues to be judged"
    resumed = hub.registry.set_paused("ann", "b", RSI.id, False, at_ms=40)
    assert resumed == replace(made, active_from_ms=40, revision=3, change=resumed.change if resumed else 0)
    assert hub.registry.subscribers() == {RSI.id: 1}
    assert hub.registry.set_paused("bob", "b", RSI.id, True, at_ms=50) is None


def configs(store: FileStore) -> list[str]:
    """The configurations in the file, oldest first."""
    rows = store._database.rows(
        "SELECT bot_config FROM registry.user_condition_subscriptions WHERE bot_config IS NOT NULL ORDER BY change"
    )
    return [str(config) for (config,) in rows]


def sized(bot: str, size: int, mark: str = "x") -> SubscriptionRequest:
    """A request whose configuration has that many bytes as JSON."""
    return SubscriptionRequest("ann", bot, RSI.id, "dca", {"of": mark * (size - 9)})


def test_bytes_of_configurations_follow_what_is_kept(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    with open_at(tmp_path / "s") as store:
        filled(store, sample)
        subscribe(store, sized("a", 100), sized("b", 1_000))
        assert store.registry.config_bytes("ann") == 1_100
        subscribe(store, sized("a", 300))
        store.registry.set_paused("ann", "a", RSI.id, True, at_ms=1)
        subscribe(store, SubscriptionRequest("bob", "é", RSI.id, "dca", {"é": "ü"}))
        assert store.registry.config_bytes("bob") == len('{"\\u00e9":"\\u00fc"}')
        store.registry.unsubscribe("ann", "b", RSI.id, at_ms=2)
        assert store.registry.config_bytes("ann") == 300
        kept = store.registry.subscriptions_of("ann")
    with open_at(tmp_path / "s") as again:
        assert again.registry.config_bytes("ann") == 300
        assert again.registry.subscriptions_of("ann") == kept
        assert again.registry.config_bytes("nobody") == 0


def test_superseded_configurations_are_dropped(
    tmp_path: Path, sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_tables, "_SUPERSEDED_BYTES", 2_500)
    with FileStore(tmp_path / "s") as store:
        filled(store, sample)
        for number in range(4):
            subscribe(store, sized("a", 1_000, str(number)))
        assert len(configs(store)) == 1, "three of 1,000 bytes are more than 2,500"
        subscribe(store, sized("a", 1_000, "5"), sized("b", 500))
        store.registry.unsubscribe("ann", "b", RSI.id, at_ms=5)
        store.registry.set_paused("ann", "a", RSI.id, True, at_ms=6)
        assert len(configs(store)) == 3
        changes = store.registry.subscription_changes(0, 100)
    with FileStore(tmp_path / "s") as again:
        assert len(configs(again)) == 1, "the next start drops what was left"
        assert again.registry.bot_config("ann", "a", RSI.id) == {"of": "5" * 991}
        assert again.registry.bot_config("ann", "b", RSI.id) is None
        assert again.registry.subscription_changes(0, 100) == changes
        again.registry.set_paused("ann", "a", RSI.id, False, at_ms=7)
        (answer,) = again.registry.subscribe([sized("b", 700)], active_from_ms=8)
        assert (answer.created, answer.subscription.revision) == (True, 3)
        assert again.registry.bot_config("ann", "b", RSI.id) == {"of": "x" * 691}
        assert again.registry.bot_config("ann", "a", RSI.id) == {"of": "5" * 991}
        assert not [finding for finding in again.check() if finding.problem]


def test_requests_of_one_commit_leave_one_configuration(tmp_path: Path, sample: pl.DataFrame) -> None:
    with FileStore(tmp_path / "s") as store:
        filled(store, sample)
        subscribe(store, sized("a", 100, "1"), sized("a", 200, "2"), sized("a", 300, "3"))
        assert store.registry.config_bytes("ann") == 300
        assert store.registry.bot_config("ann", "a", RSI.id) == {"of": "3" * 291}
        assert len(configs(store)) == 1


def test_popularity_counts_other_users_with_active_subscriptions_from_five_on(hub: Store) -> None:
    def popularity() -> list[int]:
        return [hub.registry.popularity(RSI.id, user) for user in ("user-0", "nobody")]

    for number in range(4):
        subscribe(hub, request_for(f"user-{number}", "b"), request_for(f"user-{number}", "c"))
    assert popularity() == [0, 0]
    subscribe(hub, request_for("user-4", "b"))
    assert popularity() == [0, 5]
    subscribe(hub, request_for("user-5", "b"))
    assert popularity() == [5, 6]
    hub.registry.set_paused("user-5", "b", RSI.id, True, at_ms=20)
    hub.registry.unsubscribe("user-1", "b", RSI.id, at_ms=20)
    assert popularity() == [0, 5], "user-1 has another bot"
    hub.registry.unsubscribe("user-1", "c", RSI.id, at_ms=20)
    assert popularity() == [0, 0]
    hub.registry.set_paused("user-5", "b", RSI.id, False, at_ms=30)
    assert popularity() == [0, 5]
    assert hub.registry.popularity("unknown", "user-0") == 0


def test_subscribing_to_a_paused_one_resumes_it(hub: Store) -> None:
    subscribe(hub, request_for("ann", "b"), at_ms=10)
    hub.registry.set_paused("ann", "b", RSI.id, True, at_ms=20)
    (answer,) = hub.registry.subscribe([request_for("ann", "b")], active_from_ms=30)
    assert (answer.created, answer.changed) == (False, True)
    assert (answer.subscription.state, answer.subscription.active_from_ms) == ("active", 30)


def test_an_ended_one_is_gone_for_its_user_and_begins_anew(hub: Store, clock: ReplayClock) -> None:
    (made,) = subscribe(hub, request_for("ann", "b"))
    assert hub.registry.unsubscribe("ann", "b", RSI.id, at_ms=5)
    assert not hub.registry.unsubscribe("ann", "b", RSI.id, at_ms=5)
    assert hub.registry.subscription("ann", "b", RSI.id) is None
    assert hub.registry.subscriptions_of("ann") == hub.registry.subscribers_of(RSI.id) == []
    assert hub.registry.bot_config("ann", "b", RSI.id) is None
    assert hub.registry.set_paused("ann", "b", RSI.id, True, at_ms=6) is None
    clock.move_to(clock.now_ms() + 1_000)
    (answer,) = hub.registry.subscribe([request_for("ann", "b")], active_from_ms=7)
    assert (answer.created, answer.subscription.revision) == (True, 3)
    assert answer.subscription.created_ms == made.created_ms + 1_000


def test_a_configuration_is_read_as_it_was_last_given(hub: Store) -> None:
    subscribe(hub, request_for("ann", "b"), replace(request_for("ann", "other"), bot_config={"of": "other bot"}))
    hub.registry.set_paused("ann", "b", RSI.id, True, at_ms=1)
    assert hub.registry.bot_config("ann", "b", RSI.id) == {"of": "b"}
    subscribe(hub, replace(request_for("ann", "b"), bot_config={"of": "b", "size": [1, 2.5]}))
    assert hub.registry.bot_config("ann", "b", RSI.id) == {"of": "b", "size": [1, 2.5]}
    assert hub.registry.bot_config("bob", "b", RSI.id) is None


def test_changes_are_read_in_order_each_subscription_once(hub: Store) -> None:
    registry = hub.registry
    one, two, three = subscribe(hub, request_for("ann", "1"), request_for("ann", "2"), request_for("bob", "1", SMA))
    assert registry.subscription_changes(0, 10) == [one, two, three]
    assert registry.subscription_changes(one.change, 1) == [two]
    assert registry.last_change() == three.change
    registry.unsubscribe("ann", "1", RSI.id, at_ms=1)
    assert [(each.bot_id, each.state) for each in registry.subscription_changes(0, 10)] == [
        ("2", "active"),
        ("1", "active"),
        ("1", "ended"),
    ]
    (news,) = registry.subscription_changes(three.change, 10)
    assert (news.user_id, news.bot_id, news.state) == ("ann", "1", "ended")
    assert registry.subscription_changes(registry.last_change(), 10) == []


def test_thousands_of_changes_of_one_leave_one(hub: Store) -> None:
    (made,) = subscribe(hub, request_for("ann", "b"))
    index = SubscriptionIndex()
    for change in range(1, 5_000):
        index.put([SubscriptionEntry(replace(made, revision=change, change=change), None, 1)])
    assert [each.change for each in index.changed_after(0, 10_000)] == [4_999]
    assert index.last_change == 4_999
    assert len(index._changes[0]) < 2_000


def test_everything_is_there_after_opening_again(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    def everything(store: Store) -> tuple[object, ...]:
        registry = store.registry
        return (
            registry.subscriptions_of("ann"),
            registry.subscriptions_of("bob"),
            registry.subscribers_of(RSI.id),
            registry.subscription_changes(0, 10),
            registry.last_change(),
            registry.subscribers(),
            registry.totals(),
            registry.bot_config("ann", "2", RSI.id),
            registry.condition(SMA.id),
        )

    with open_at(tmp_path) as store:
        hub = filled(store, sample)
        subscribe(
            hub,
            request_for("ann", "1", cooldown_s=5, max_fires=1),
            request_for("ann", "2"),
            request_for("bob", "1", SMA),
            at_ms=3,
        )
        hub.registry.set_paused("ann", "2", RSI.id, True, at_ms=4)
        hub.registry.unsubscribe("bob", "1", SMA.id, at_ms=5)
        before = everything(hub)
    with open_at(tmp_path) as again:
        assert everything(again) == before
        assert not again.registry.subscribe([request_for("ann", "1", cooldown_s=5, max_fires=1)], active_from_ms=9)[
            0
        ].changed


def test_many_threads_write_at_once_and_each_gets_its_own_answer(
    open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame
) -> None:
    """Half of them ask for the impossible, which affects nobody else."""
    start = threading.Barrier(8)

    def work(hub: Store, number: int) -> tuple[int, int]:
        start.wait()
        refused = 0
        for round_ in range(20):
            (registration,) = hub.registry.register(
                [Condition.parse(f"BTCUSDT 1h: rsi(14) < {number + 1}.{round_:02d}")], active_from_ms=0
            )
            request = SubscriptionRequest(f"user {number}", f"bot {round_}", registration.condition_id, "dca", {})
            (answer,) = hub.registry.subscribe([request], active_from_ms=0)
            assert answer.created
            assert answer.subscription.user_id == f"user {number}"
            if round_ % 2:
                try:
                    hub.registry.subscribe([replace(request, condition_id="none")], active_from_ms=0)
                except StoreError:
                    refused += 1
        return len(hub.registry.subscriptions_of(f"user {number}")), refused

    with open_at(tmp_path) as store, ThreadPoolExecutor(8) as pool:
        hub = filled(store, sample)
        assert set(pool.map(partial(work, hub), range(8))) == {(20, 10)}
        changes = [each.change for each in hub.registry.subscription_changes(0, 1_000)]
        assert changes == list(range(1, 161)), "numbered without gaps or repetitions"
    with open_at(tmp_path) as again:
        totals = again.registry.totals()
        assert totals.items() >= {"conditions": 162, "subscriptions": 160, "users": 8, "bots": 160}.items()


def test_a_write_that_fails_leaves_memory_and_file_as_they_were(hub: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = subscribe(hub, request_for("ann", "b"))
    from registry.store.files.activity_tables import ActivityTables

    def fail(*_: object) -> None:
        raise StoreNotWritable("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ActivityTables, "write", fail)
        with pytest.raises(StoreError, match="no space left"):
            subscribe(hub, request_for("ann", "c", SMA))
    assert hub.registry.subscriptions_of("ann") == [made]
    assert hub.registry.last_change() == made.change
    assert subscribe(hub, request_for("ann", "c", SMA))[0].change == made.change + 1


def test_subscriptions_from_before_states_are_kept(tmp_path: Path) -> None:
    old = [migration for migration in migrations("registry") if migration.version <= 7]
    with duckdb.connect(str(tmp_path / "registry.duckdb")) as raw:
        raw.execute(
            "CREATE TABLE schema_version (version INTEGER NOT NULL, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, "
            "applied_at TIMESTAMP NOT NULL)"
        )
        for migration in old:
            raw.execute(migration.sql)
            raw.execute(
                "INSERT INTO schema_version VALUES (?, ?, ?, now()::TIMESTAMP)",
                [migration.version, migration.name, migration.sha256],
            )
        for bot, revision, active in (("a", 1, True), ("b", 1, True), ("b", 2, False)):
            raw.execute(
                "INSERT INTO user_condition_subscriptions VALUES "
                "('ann', ?, 'c', ?, 'dca', '{\"n\":1}', ?, make_timestamp_ms(7), make_timestamp_ms(8))",
                [bot, revision, active],
            )
    with FileStore(tmp_path) as store:
        assert [(each.bot_id, each.state, each.change) for each in store.registry.subscription_changes(0, 9)] == [
            ("a", "active", 1),
            ("b", "ended", 3),
        ]
        (kept,) = store.registry.subscriptions_of("ann")
        assert (kept.active_from_ms, kept.created_ms, kept.revision) == (7, 8, 1)
        assert kept.policy.expires_ms is not None
        assert store.registry.bot_config("ann", "a", "c") == {"n": 1}


def test_a_reader_that_sees_a_condition_finds_when_it_is_judged(hub: Store) -> None:
    """While another thread registers, successive reads of a worker are consistent."""

    def register() -> None:
        for number in range(40):
            hub.registry.register([Condition.parse(f"BTCUSDT 1h: close > {number}")], active_from_ms=0)

    registering = threading.Thread(target=register)
    registering.start()
    try:
        while registering.is_alive():
            version = hub.registry.version()
            conditions = hub.registry.conditions()
            activity = hub.registry.activity()
            assert {condition.condition_id for condition in conditions} <= activity.keys()
            assert version <= hub.registry.version()
    finally:
        registering.join()
    assert len(hub.registry.conditions()) == len(hub.registry.activity()) == 42
