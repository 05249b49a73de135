"""A store of another version of the hub opens: conditions get their new ids, and nothing fires twice or is left out."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from analysis.audit import audit
from common import failpoints
from common.clock import ReplayClock
from common.errors import ConditionRetired, FailpointReached, SchemaMismatch, StoreError
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.store.files.database import DuckDatabase
from registry.store.files.file_store import FileStore
from registry.store.files.upgrade import changes_of
from registry.store.parts.registry import StoredSubscription, SubscriptionRequest
from registry.subscriptions import DeliveryPolicy
from tests.events.log.memory_log import MemoryLog
from tests.registry.store.files.yesterday import RSI_VERSION, contents, formulas, old_store, write_as

HOUR = 3_600_000
OLD_MS = 1_723_680_000_000
"""2024-08-15 00:00, up to which the old store has been judged; there are candles of 24 more hours."""
CHANGED = [
    pytest.param({}, id="as it is"),
    pytest.param({"rsi": 7}, id="one formula"),
    pytest.param({"rsi": 7, "sma": 7, "stoch": 7, "mfi": 7}, id="several"),
    pytest.param(dict.fromkeys(("rsi", "ema", "sma", "vwap", "stoch", "keltner", "mfi", "highest"), 7), id="all"),
]
TEXT = "BTCUSDT 1h: rsi(14) < 55"


def judge(store: FileStore, until_ms: int) -> None:
    clock = ReplayClock(until_ms)
    asyncio.run(advance(Runtime(store, MemoryLog(), clock), "1h", until_ms))


def subscribed(store: FileStore) -> list[StoredSubscription]:
    return [one for user in ("user-0", "user-1") for one in store.registry.subscriptions_of(user)]


def fired_after(store: FileStore, seq: int) -> list[tuple[object, ...]]:
    """What fired after a trigger: by text and candle, whatever the ids are."""
    texts = {each.condition_id: each.text for each in store.registry.conditions()}
    rows = store.triggers.after(seq, 10_000).filter(pl.col("condition_id").is_in(list(texts)))
    return sorted(
        (texts[name], close, price, values, settled)
        for name, close, price, values, settled in rows.select(
            "condition_id", "close_time", "price", "values", "settled"
        ).iter_rows()
    )


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


@pytest.mark.parametrize("versions", CHANGED)
def test_the_store_of_yesterday_opens_and_everything_follows(tmp_path: Path, versions: dict[str, int]) -> None:
    folder = old_store(tmp_path)
    with closing(DuckDatabase(folder, read_only=False)) as before:
        registered = before.frame("SELECT condition_id, text, definition_versions FROM registry.condition_registry")
        old = before.frame("SELECT * EXCLUDE (bot_config) FROM registry.user_condition_subscriptions")
        triggers = before.frame("SELECT * EXCLUDE (condition_key) FROM registry.condition_triggers ORDER BY seq")
    with formulas(**versions), FileStore(folder) as store:
        registry, report = store.registry, store.upgraded
        assert report is not None
        used = {row["condition_id"]: row["definition_versions"] for row in registered.iter_rows(named=True)}
        for condition_id, text in registered.select("condition_id", "text").iter_rows():
            successor = registry.successor(condition_id)
            assert successor == Condition.parse(text).id, "what registering it again would give"
            now = registry.condition(successor)
            assert now is not None
            assert (now.text, registry.activity_of(successor)[-1].until_ms) == (text, None)
            if any(f"{name}=" in used[condition_id] for name in versions):
                assert successor != condition_id
            if successor != condition_id:
                superseded = registry.superseded(condition_id)
                assert superseded is not None
                assert (superseded.condition.text, superseded.superseded_by) == (text, successor)
                assert "the formula of" in superseded.reason
                assert registry.condition(condition_id) is None
                assert registry.activity_of(successor)[0].from_ms == OLD_MS, "from where its group has been judged to"
        assert len(registry.conditions()) == 9
        assert {
            (one.user_id, one.bot_id, one.condition_id, one.active_from_ms, one.state) for one in subscribed(store)
        } == {
            (user, bot, registry.successor(condition_id), int(active_from.timestamp() * 1000), "active")
            for user, bot, condition_id, active_from in old.select(
                "user_id", "bot_id", "condition_id", "active_from"
            ).iter_rows()
        }
        configs = [registry.bot_config(one.user_id, one.bot_id, one.condition_id) for one in subscribed(store)]
        assert configs == [{"baseOrderSize": 100}] * 10
        assert report.subscriptions == sum(registry.successor(name) != name for name in old["condition_id"])
        assert store.triggers.after(0, 1_000).equals(triggers), "what fired stays as it was recorded"
        assert [finding for finding in store.check() if finding.problem is not None] == []
        verified = audit(store)
        assert (verified.differences, verified.unreadable) == ((), ())
        assert (verified.triggers + verified.unverifiable, verified.conditions) == (175, 9)
        assert verified.unverifiable == sum(registry.successor(name) != name for name in triggers["condition_id"])


@pytest.mark.parametrize("versions", CHANGED)
def test_it_is_judged_on_without_a_gap_or_a_repetition(tmp_path: Path, versions: dict[str, int]) -> None:
    expected, folder = old_store(tmp_path / "a"), old_store(tmp_path / "b")
    with FileStore(expected) as store:
        judge(store, OLD_MS + 24 * HOUR)
        fired = fired_after(store, 175)
    assert len(fired) > 3
    with formulas(**versions), FileStore(folder) as store:
        # The formulas are what they were, only their versions are not: so exactly the same has to fire.
        judge(store, OLD_MS + 5 * HOUR)
        judge(store, OLD_MS + 24 * HOUR)
        assert fired_after(store, 175) == fired
        verified = audit(store)
        assert (verified.differences, verified.triggers + verified.unverifiable) == ((), 175 + len(fired))


def test_a_checkpoint_of_another_version_is_not_kept(tmp_path: Path) -> None:
    folder = old_store(tmp_path)
    with formulas(rsi=7), FileStore(folder):
        pass
    with closing(DuckDatabase(folder, read_only=True)) as database:
        kept = database.frame("SELECT DISTINCT indicator FROM registry.condition_evaluation_cache")["indicator"]
    assert kept.str.starts_with("sma=1").any()
    assert not kept.str.starts_with("rsi=").any()


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    folder = old_store(tmp_path)
    with formulas(rsi=7):
        with FileStore(folder):
            pass
        before = contents(folder)
        with FileStore(folder) as store:
            assert store.upgraded is None
        assert contents(folder) == before


def test_ids_change_again_and_the_first_one_still_leads_to_the_last(tmp_path: Path) -> None:
    folder, rsi = old_store(tmp_path), "f4fda3d9a0c12279b03c7582ae1cf0f0"
    with formulas(rsi=7), FileStore(folder) as store:
        second = store.registry.successor(rsi)
    with formulas(rsi=8), FileStore(folder) as store:
        third = store.registry.successor(second)
        assert len({rsi, second, third}) == 3
        assert store.registry.successor(rsi) == third
        assert {one.condition_id for one in store.registry.moved_of("user-0")} >= {rsi, second}
    with formulas(rsi=7), FileStore(folder) as store:
        # A version that is taken back: the condition stands for itself again.
        assert store.registry.successor(second) == second == store.registry.successor(rsi)
        assert store.registry.condition(second) is not None
        assert store.registry.successor(third) == second
        assert len(subscribed(store)) == 10
        judge(store, OLD_MS + 2 * HOUR)
        assert audit(store).differences == ()
        assert [finding for finding in store.check() if finding.problem is not None] == []


@pytest.fixture
def written(tmp_path: Path, sample: pl.DataFrame) -> Path:
    """A store with a week of candles, judged for a day, in which one condition is wanted."""
    hours = sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h"))
    with FileStore(tmp_path / "store", clock=ReplayClock(OLD_MS - 24 * HOUR)) as store:
        store.candles.upsert(hours.filter(pl.col("open_time").dt.epoch("ms") < OLD_MS + 24 * HOUR))
        registry = store.registry
        registry.register([Condition.parse(TEXT)], active_from_ms=OLD_MS - 24 * HOUR)
        request = SubscriptionRequest("ann", "b1", Condition.parse(TEXT).id, "dca", {"size": 1})
        registry.subscribe([request], active_from_ms=OLD_MS - 24 * HOUR)
        judge(store, OLD_MS)
    return tmp_path / "store"


def also(folder: Path, text: str, *requests: SubscriptionRequest, at_ms: int = OLD_MS - 24 * HOUR) -> str:
    """Register another condition and subscribe to it; its id."""
    with FileStore(folder, clock=ReplayClock(at_ms)) as store:
        condition = Condition.parse(text)
        store.registry.register([condition], active_from_ms=at_ms)
        store.registry.subscribe(
            [
                SubscriptionRequest(one.user_id, one.bot_id, condition.id, one.bot_type, one.bot_config, one.policy)
                for one in requests
            ],
            active_from_ms=at_ms,
        )
    return condition.id


def request(bot: str, size: int, max_fires: int | None = None) -> SubscriptionRequest:
    return SubscriptionRequest("ann", bot, "", "dca", {"size": size}, DeliveryPolicy(max_fires=max_fires))


@pytest.mark.parametrize("is_known", [False, True], ids=["none of them known by its id", "one of them known by its id"])
def test_conditions_that_become_equal_join(written: Path, is_known: bool) -> None:
    first, other = Condition.parse(TEXT).id, "BTCUSDT 1h: rsi(14) < 54"
    second = also(written, other, request("b1", 2, max_fires=3), request("b2", 3), at_ms=OLD_MS - 23 * HOUR)
    old_second = write_as(written, second, "BINANCE:BTCUSDT 1h: 55.0 > RSI(14)")
    old_first = first if is_known else write_as(written, first, "BINANCE:BTCUSDT 1h: 55 > rsi(14)")
    with FileStore(written) as store:
        registry = store.registry
        assert registry.successor(old_first) == registry.successor(old_second) == first
        assert [each.condition_id for each in registry.conditions()] == [first]
        assert {
            one.bot_id: (one.policy.max_fires, registry.bot_config("ann", one.bot_id, first))
            for one in registry.subscriptions_of("ann")
        } == {
            "b1": (3, {"size": 2}),
            "b2": (None, {"size": 3}),
        }, "of what a bot asked for, the last counts"
        assert registry.config_bytes("ann") == sum(one.config_bytes for one in registry.subscriptions_of("ann")) > 0
        assert registry.totals().items() >= {"conditions": 1, "subscriptions": 2, "users": 1, "bots": 2}.items()
        before = store.triggers.last_seq()
        judge(store, OLD_MS + 24 * HOUR)
        closes = store.triggers.after(before, 1_000)["close_time"]
        assert closes.n_unique() == closes.len() > 0, "once for each candle"
        assert audit(store).differences == ()
        assert [finding for finding in store.check() if finding.problem is not None] == []


def test_a_condition_that_cannot_be_read_any_more_says_why(written: Path) -> None:
    old = write_as(written, Condition.parse(TEXT).id, "BINANCE:BTCUSDT 1h: nonsense(14) < 55")
    with FileStore(written) as store:
        registry = store.registry
        why = registry.unjudged_of(old)
        assert why is not None
        assert why.state == "err"
        assert "cannot be read any more: " in why.reason
        assert "nonsense" in why.reason
        assert registry.condition(old) is not None
        assert [one.condition_id for one in registry.subscriptions_of("ann")] == [old], "it keeps its subscriptions"
        assert store.announce_upgrades() == 1
        (notice,) = registry.notices_of("ann")
        assert (notice.condition_id, notice.superseded_by, notice.reason) == (old, None, why.reason)
        recorded = store.triggers.last_seq()
        judge(store, OLD_MS + 24 * HOUR)
        assert store.triggers.last_seq() == recorded
        since = why.since_ms
    with closing(DuckDatabase(written, read_only=False)) as database, database.transaction() as transaction:
        transaction.execute("DELETE FROM registry.upgrades")
    with FileStore(written) as store:
        assert store.upgraded is not None
        assert store.upgraded.unreadable == 0, "known already, and told already"
        assert store.registry.unjudged_of(old) == why
        assert since == why.since_ms


def test_a_retired_condition_stays_retired_under_its_new_id(written: Path) -> None:
    condition = Condition.parse(TEXT)
    with FileStore(written) as store:
        store.registry.retire(condition.id, "it harms others", at_ms=OLD_MS)
    with formulas(rsi=7), FileStore(written) as store:
        successor = store.registry.successor(condition.id)
        why = store.registry.unjudged_of(successor)
        assert why is not None
        assert (why.state, why.reason) == ("retired", "it harms others")
        with pytest.raises(ConditionRetired):
            store.registry.register([Condition.parse(TEXT)], active_from_ms=OLD_MS)
        recorded = store.triggers.last_seq()
        judge(store, OLD_MS + 24 * HOUR)
        assert store.triggers.last_seq() == recorded


@pytest.mark.parametrize("state", ["paused", "ended", "nobody wants it"])
def test_what_is_not_delivered_is_not_delivered_afterwards(written: Path, state: str) -> None:
    condition = Condition.parse(TEXT)
    with FileStore(written, clock=ReplayClock(OLD_MS)) as store:
        if state == "paused":
            store.registry.set_paused("ann", "b1", condition.id, True, at_ms=OLD_MS)
        else:
            grace_ms = HOUR if state == "nobody wants it" else 100 * HOUR
            store.registry.unsubscribe("ann", "b1", condition.id, at_ms=OLD_MS, grace_ms=grace_ms)
        until_ms = store.registry.activity_of(condition.id)[-1].until_ms
    with formulas(rsi=7), FileStore(written) as store:
        successor = store.registry.successor(condition.id)
        assert [one.state for one in store.registry.subscriptions_of("ann")] == ["paused"] * (state == "paused")
        assert store.registry.activity_of(successor)[-1].until_ms == until_ms
        judge(store, OLD_MS + 24 * HOUR)
        closes = store.triggers.of(successor, 1_000)["close_time"].dt.epoch("ms")
        assert all(until_ms is None or close_ms <= until_ms for close_ms in closes)
        assert audit(store).differences == ()


def test_an_old_id_is_refused_with_the_new_one(written: Path) -> None:
    old = Condition.parse(TEXT).id
    with formulas(rsi=7), FileStore(written) as store:
        successor = store.registry.successor(old)
        for refused in (
            lambda: store.registry.subscribe([SubscriptionRequest("ann", "b3", old, "dca", {})], active_from_ms=OLD_MS),
            lambda: store.registry.retire(old, "no", at_ms=OLD_MS),
        ):
            with pytest.raises(StoreError, match=f"superseded by '{successor}'"):
                refused()


def test_who_only_reads_is_told_to_upgrade_first(written: Path) -> None:
    FileStore(written, read_only=True).close()
    outdated = f"rsi={RSI_VERSION}; bring it up to date: hub store migrate"
    with formulas(rsi=7), pytest.raises(SchemaMismatch, match=outdated):
        FileStore(written, read_only=True)


@pytest.mark.parametrize("step", ["mid_upgrade", "before_upgrade_commit"])
def test_an_upgrade_that_fails_leaves_the_store_as_it_was(tmp_path: Path, step: str) -> None:
    folder = old_store(tmp_path)
    DuckDatabase(folder, read_only=False).close()
    before = contents(folder)
    failpoints.arm(f"{step}:1:raise")
    with formulas(rsi=7), pytest.raises(FailpointReached):
        FileStore(folder)
    assert contents(folder) == before
    failpoints.arm("")
    with formulas(rsi=7), FileStore(folder) as store:
        assert len(subscribed(store)) == 10


def test_what_changed_is_listed(written: Path) -> None:
    old = Condition.parse(TEXT).id
    lost = write_as(written, also(written, "BTCUSDT 1h: close > 1"), "BINANCE:BTCUSDT 1h: nonsense > 1")
    with formulas(rsi=7), FileStore(written) as store:
        assert store.upgraded is not None
        assert changes_of(store._database, store.upgraded.upgrade).drop("why").rows() == [
            (lost, None, "BINANCE:BTCUSDT 1h: nonsense > 1", 0),
            (old, store.registry.successor(old), f"BINANCE:{TEXT}", 1),
        ]
