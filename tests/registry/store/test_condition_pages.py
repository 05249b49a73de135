"""Conditions are found, counted and followed without reading all of them: pages, groups, series and users."""

from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import from_ms
from registry.conditions import Condition
from registry.groups import Group
from registry.store.parts.condition_pages import ConditionQuery, UserUsage, WantedGroup
from registry.store.parts.registry import SubscriptionRequest
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt
from tests.registry.store.ticks import BTC, ETH, HOUR, tick

DAY = 24 * HOUR
TEXTS = (
    "BTCUSDT 1h: rsi(14) < 30",
    "BTCUSDT 1h: close > sma(20)",
    "ETHUSDT 1h: rsi(14) > 70",
    "ETHUSDT 4h: mfi(14) < 9",
)
RSI, SMA, HIGH, FLOW = (Condition.parse(text) for text in TEXTS)


@pytest.fixture
def clock() -> ReplayClock:
    """A clock that stands at the epoch."""
    return ReplayClock(0)


@pytest.fixture
def hub(store: Store, sample: pl.DataFrame) -> Store:
    """Four conditions; two are subscribed to, and the first has fired twice."""
    fill(store, sample)
    return store


def fill(store: Store, sample: pl.DataFrame) -> None:
    store.candles.upsert(sample.filter(pl.col("timeframe") == "1h").group_by("symbol").head(3))
    store.registry.register([RSI, SMA, HIGH, FLOW], active_from_ms=0, grace_ms=5 * HOUR)
    subscribe(store, "ann", "a", RSI)
    subscribe(store, "ann", "b", RSI)
    subscribe(store, "bob", "a", HIGH)
    fire(store, 1, RSI)
    fire(store, 2, RSI, HIGH)


def subscribe(store: Store, user: str, bot: str, condition: Condition) -> None:
    store.registry.subscribe([SubscriptionRequest(user, bot, condition.id, "dca", {})], active_from_ms=0)


def fire(store: Store, hour: int, *conditions: Condition) -> None:
    """Judge an hour of both pairs, in which conditions fire."""
    since = (hour - 1) * HOUR if hour > 1 else None
    record = tick(hour * HOUR, (BTC, since), (ETH, since), triggers=len(conditions))
    ids = [condition.id for condition in conditions]
    fired = record.triggers.with_columns(
        pl.Series("condition_id", ids, pl.String),
        pl.Series("trigger_id", [f"{name}:{hour * HOUR}" for name in ids], pl.String),
    )
    store.ticks.record_tick(type(record)(**{**vars(record), "triggers": fired}))


def texts(store: Store, **asked: object) -> list[str]:
    return store.registry.condition_page(ConditionQuery(**asked)).rows["text"].to_list()  # type: ignore[arg-type]


def test_a_row_says_what_single_reads_say(hub: Store) -> None:
    page = hub.registry.condition_page(ConditionQuery())
    assert page.matching == 4
    assert page.rows.rows(named=True)[0] == {
        "condition_id": RSI.id,
        "text": str(RSI),
        "symbol": "BINANCE:BTCUSDT",
        "timeframe": "1h",
        "state": "judged",
        "health": "ok",
        "subscribers": 2,
        "triggers": 2,
        "last_trigger": from_ms(2 * HOUR),
        "judged_until": from_ms(2 * HOUR),
    }
    for row in page.rows.iter_rows(named=True):
        name = row["condition_id"]
        assert row["subscribers"] == hub.registry.subscriber_count(name)
        assert row["triggers"] == hub.triggers.condition_state(name).triggers
    assert page.rows["last_trigger"].to_list() == [from_ms(2 * HOUR), from_ms(2 * HOUR), None, None]


def test_pages_are_ordered_and_narrowed(hub: Store) -> None:
    names = [str(each) for each in (RSI, HIGH, SMA, FLOW)]
    assert texts(hub) == names, "equal ones in the order in which they were registered"
    assert texts(hub, limit=2, offset=1) == names[1:3]
    assert texts(hub, order="registered", descending=False) == [str(each) for each in (RSI, SMA, HIGH, FLOW)]
    assert texts(hub, order="text", descending=False) == sorted(names)
    assert texts(hub, order="text") == sorted(names, reverse=True)
    assert texts(hub, order="last_trigger", descending=False)[:2] == [str(RSI), str(HIGH)], "never fired comes last"
    assert texts(hub, words="RSI ethusdt") == [str(HIGH)]
    assert texts(hub, words=SMA.id[:8]) == [str(SMA)]
    assert texts(hub, words="rsi.") == [], "words are no patterns"
    assert texts(hub, symbols=("BINANCE:ETHUSDT",), timeframes=("4h",)) == [str(FLOW)]
    page = hub.registry.condition_page(ConditionQuery(words="rsi", limit=1))
    assert (page.matching, page.rows.height) == (2, 1)
    assert hub.registry.condition_page(ConditionQuery(words="nothing")).rows.columns == page.rows.columns


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("order", ["subscribers", "triggers", "last_trigger", "text", "registered"])
def test_pages_side_by_side_are_the_whole(hub: Store, order: str, descending: bool) -> None:
    asked = {"order": order, "descending": descending}
    pages = [texts(hub, **asked, limit=1, offset=first) for first in range(5)]
    assert pages == [[text] for text in texts(hub, **asked)] + [[]]


def test_a_page_follows_whatever_changes(hub: Store) -> None:
    texts(hub)
    subscribe(hub, "cyd", "a", SMA)
    fire(hub, 3, SMA)
    other = Condition.parse("BTCUSDT 1h: cci(20) > 100")
    hub.registry.register([other], active_from_ms=0)
    hub.registry.unsubscribe("bob", "a", HIGH.id, at_ms=0)
    rows = {row["text"]: row for row in hub.registry.condition_page(ConditionQuery()).rows.iter_rows(named=True)}
    assert (rows[str(SMA)]["subscribers"], rows[str(SMA)]["triggers"]) == (1, 1)
    assert rows[str(SMA)]["last_trigger"] == from_ms(3 * HOUR)
    assert rows[str(HIGH)]["subscribers"] == 0
    assert rows[str(other)]["state"] == "judged"
    assert len(rows) == 5


def test_states_and_healths(hub: Store, clock: ReplayClock) -> None:
    assert texts(hub, healths=("unknown",)) == [str(FLOW)], "its group has not been judged yet"
    hub.registry.report_errors({HIGH.id: "it cannot be read"})
    assert texts(hub, states=("err",)) == texts(hub, healths=("err",)) == [str(HIGH)]
    hub.registry.retire(FLOW.id, "not needed", at_ms=1)
    assert texts(hub, states=("retired",)) == [str(FLOW)]
    for hour in range(3, 8):
        fire(hub, hour)
    assert texts(hub, states=("idle",)) == [str(SMA)], "its grace time is over"
    clock.move_to(9 * HOUR)
    assert texts(hub, healths=("stale",)) == []
    clock.move_to(9 * HOUR + 1)
    assert texts(hub, healths=("stale",)) == [str(RSI)], "two candles late"
    hub.candles.set_calendar(BTC.base.instrument, "sessions")
    assert texts(hub, healths=("stale",)) == [], "its market may be closed"


def test_groups_to_be_judged(hub: Store) -> None:
    four = Group([ETH.base.at("4h")])

    def wanted() -> list[WantedGroup]:
        return hub.registry.wanted_groups()

    assert wanted() == [
        WantedGroup(BTC, 2 * HOUR, 2 * HOUR, 2),
        WantedGroup(ETH, 2 * HOUR, 2 * HOUR, 1),
        WantedGroup(four, 0, None, 1),
    ]
    hub.registry.unsubscribe("bob", "a", HIGH.id, at_ms=0, grace_ms=3 * HOUR)
    for hour in range(3, 7):
        fire(hub, hour)
    assert wanted() == [WantedGroup(BTC, 6 * HOUR, 6 * HOUR, 1), WantedGroup(four, 0, None, 1)]
    subscribe(hub, "bob", "a", SMA)
    hub.registry.report_errors({RSI.id: "it cannot be read"})
    assert wanted()[0] == WantedGroup(BTC, 6 * HOUR, 6 * HOUR, 1)
    hub.registry.report_errors({}, [RSI.id])
    assert wanted()[0] == WantedGroup(BTC, 6 * HOUR, 6 * HOUR, 2)
    hub.registry.retire(FLOW.id, "not needed", at_ms=1)
    assert [each.group for each in wanted()] == [BTC]


def test_conditions_are_counted_by_series(hub: Store) -> None:
    counts = {BTC.base: 2, ETH.base: 1, ETH.base.at("4h"): 1}
    assert hub.registry.conditions_per_series() == counts
    hub.registry.register([Condition.parse("BTCUSDT 1h: rsi(14) < 20")], active_from_ms=0)
    assert hub.registry.conditions_per_series() == counts | {BTC.base: 3}
    assert [each.condition_id for each in hub.registry.conditions_on(BTC.base)][:2] == [RSI.id, SMA.id]
    assert len(hub.registry.conditions_on(BTC.base)) == 3
    assert hub.registry.conditions_on(FLOW.series.at("1d")) == []


def test_users_by_what_they_would_evaluate(hub: Store) -> None:
    subscribe(hub, "bob", "b", FLOW)
    ann, bob = UserUsage("ann", 2, 2, 1, 48.0), UserUsage("bob", 2, 2, 2, 30.0)
    assert hub.registry.users(10) == [ann, bob]
    assert hub.registry.users(1, 1) == [bob]
    hub.registry.set_paused("ann", "a", RSI.id, True, at_ms=1)
    assert hub.registry.users(10) == [bob, UserUsage("ann", 1, 1, 1, 24.0)]
    hub.registry.forget_user("ann", at_ms=2)
    assert hub.registry.users(10) == [bob]


def test_another_owner_says_the_same(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    clock = ReplayClock(0)
    with open_at(tmp_path / "s", clock) as store:
        fill(store, sample)
        before = (texts(store, order="text"), groups(store), store.registry.users(9))
    with open_at(tmp_path / "s", clock) as store:
        assert (texts(store, order="text"), groups(store), store.registry.users(9)) == before


def groups(store: Store) -> list[WantedGroup]:
    """Those to be judged, by name: conditions that were registered at once may come back in another order."""
    return sorted(store.registry.wanted_groups(), key=lambda each: each.group)


def test_counts_are_those_of_pages_and_add_up_to_all(hub: Store, clock: ReplayClock) -> None:
    hub.registry.report_errors({SMA.id: "it cannot be judged"})
    hub.registry.retire(FLOW.id, "a test", at_ms=2 * HOUR)

    def counted() -> dict[str, int]:
        pages = {name: ConditionQuery(healths=(name,)) for name in ("ok", "unknown", "err", "stale")}
        pages |= {name: ConditionQuery(states=(name,)) for name in ("idle", "retired")}
        return {name: hub.registry.condition_page(query).matching for name, query in pages.items()}

    assert hub.registry.condition_counts() == counted()
    assert counted() == {"ok": 2, "unknown": 0, "err": 1, "stale": 0, "idle": 0, "retired": 1}
    clock.move_to(9 * HOUR)
    assert hub.registry.condition_counts() == counted()
    assert counted()["stale"] == 2
