"""Conditions that are not judged: in error, because a tick says so, or retired by an operator."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import ConditionError, ConditionRetired, StoreError
from registry import conditions
from registry.activity import ActiveSpan, is_active
from registry.condition_cache import ConditionCache
from registry.conditions import Condition
from registry.store.files import condition_loading
from registry.store.parts.registry import StoredCondition, SubscriptionRequest, Unjudged, read_condition
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

RSI, CLOSE = Condition.parse("BTCUSDT 1h: rsi(14) crosses_below 30"), Condition.parse("BTCUSDT 1h: close > 1")
REQUEST = SubscriptionRequest("ann", "b1", RSI.id, "dca", {})


def filled(store: Store, sample: pl.DataFrame) -> Store:
    store.candles.upsert(sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT")).head(3))
    store.registry.register([RSI, CLOSE], active_from_ms=5)
    return store


@pytest.fixture
def registered(store: Store, sample: pl.DataFrame) -> Store:
    return filled(store, sample)


def test_an_error_stands_until_the_condition_can_be_judged_again(registered: Store, clock: ReplayClock) -> None:
    registry, version = registered.registry, registered.registry.version()
    assert registry.unjudged() == {}
    assert registry.report_errors({RSI.id: "it cannot be read", "0" * 32: "unknown"}) == [RSI.id]
    assert registry.unjudged() == {RSI.id: Unjudged("err", "it cannot be read", clock.now_ms())}
    assert registry.unjudged_of(RSI.id) == registry.unjudged()[RSI.id]
    assert registry.unjudged_of(CLOSE.id) is None
    assert registry.report_errors({RSI.id: "for another reason"}) == [], "known: the first reason stands"
    assert registry.version() > version
    assert not is_active(registry.activity_of(RSI.id), 6)

    registry.register([RSI], active_from_ms=9)
    registry.subscribe([REQUEST], active_from_ms=9)
    assert registry.unjudged_of(RSI.id) is not None, "asking for it does not mend it"
    assert not is_active(registry.activity_of(RSI.id), 10)
    assert registry.report_errors({}, [RSI.id, CLOSE.id]) == []
    assert registry.unjudged() == {}
    assert registry.activity_of(RSI.id) == (ActiveSpan(5, None),), "from where it stopped, for its subscriber"


def test_a_retired_condition_is_refused_until_it_is_reinstated(registered: Store) -> None:
    registry = registered.registry
    registry.subscribe([REQUEST], active_from_ms=5)
    assert registry.retire(RSI.id, "  it is   too\nlarge ", at_ms=7) == Unjudged("retired", "it is too large", 7)
    with pytest.raises(ConditionRetired, match=f"{RSI.id} was retired by an operator.*it is too large; use another"):
        registry.register([CLOSE, RSI], active_from_ms=8)
    with pytest.raises(ConditionRetired, match="it is too large"):
        registry.subscribe([replace(REQUEST, bot_id="b2")], active_from_ms=8)
    assert [each.bot_id for each in registry.subscribers_of(RSI.id)] == ["b1"], "what is there stays"
    assert registry.report_errors({RSI.id: "it cannot be read"}) == []
    assert registry.unsubscribe("ann", "b1", RSI.id, at_ms=8)
    registry.retire(RSI.id, "another reason", at_ms=9)
    assert registry.unjudged() == {RSI.id: Unjudged("retired", "another reason", 9)}
    assert not is_active(registry.activity_of(RSI.id), 10)

    assert registry.reinstate(RSI.id, active_from_ms=20)
    assert not registry.reinstate(RSI.id, active_from_ms=21)
    assert registry.unjudged() == {}
    assert not is_active(registry.activity_of(RSI.id), 20)
    assert is_active(registry.activity_of(RSI.id), 21)
    registry.register([RSI], active_from_ms=22)


@pytest.mark.parametrize("why", ["", " \n", "x" * 501])
def test_retiring_needs_a_reason_and_a_condition(registered: Store, why: str) -> None:
    with pytest.raises(StoreError, match="write 1 to 500"):
        registered.registry.retire(RSI.id, why, at_ms=7)
    with pytest.raises(StoreError, match="is not registered"):
        registered.registry.retire("0" * 32, "it harms others", at_ms=7)
    with pytest.raises(StoreError, match="is not registered"):
        registered.registry.reinstate("0" * 32, active_from_ms=7)
    assert registered.registry.unjudged() == {}


def test_it_survives_a_restart(open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame) -> None:
    with open_at(tmp_path) as store:
        registry = filled(store, sample).registry
        registry.report_errors({CLOSE.id: "it cannot be read"})
        registry.retire(RSI.id, "first", at_ms=7)
        registry.reinstate(RSI.id, active_from_ms=8)
        registry.retire(RSI.id, "second", at_ms=9)
        before, version = registry.unjudged(), registry.version()
    with open_at(tmp_path) as store:
        assert (store.registry.unjudged(), store.registry.version()) == (before, version)
        assert {why.reason for why in before.values()} == {"it cannot be read", "second"}
        store.registry.report_errors({}, [CLOSE.id])
    with open_at(tmp_path) as store:
        assert list(store.registry.unjudged()) == [RSI.id]


def test_only_what_reads_back_is_stored(registered: Store) -> None:
    wrong = replace(Condition.parse("BTCUSDT 1h: close > 3"), canonical="BINANCE:BTCUSDT 1h: close >= 3")
    known = len(registered.registry.conditions())
    # Through the owner it travels as its short text, which is parsed there.
    if hasattr(registered, "_database"):
        with pytest.raises(ConditionError, match="cannot be stored"):
            registered.registry.register([wrong], active_from_ms=0)
        assert len(registered.registry.conditions()) == known


def test_conditions_that_differ_in_their_number_are_read_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from_canonical = Condition.from_canonical

    def noted(canonical: str) -> Condition:
        read.append(canonical)
        return from_canonical(canonical)

    monkeypatch.setattr(Condition, "from_canonical", noted)
    for value in (30, 31, 1e15, 12.25, -7, -7.5, 1e-7, -1e-9, 0):
        for _ in range(2):
            Condition.parse(f"BTCUSDT 1h: sma(17) < {value!r}").check_reads_back()
    texts = ["30", "12.25", "-7", "-7.5", "1e-7", "-1e-9", "0"]
    assert [text.rsplit(" ", 1)[1] for text in read] == texts


def test_a_damaged_row_does_not_keep_the_store_from_opening(
    tmp_path: Path, sample: pl.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    from registry.store.files.file_store import FileStore

    with FileStore(tmp_path) as store:
        filled(store, sample)
        with store._database.transaction() as transaction:
            transaction.execute(
                "UPDATE registry.condition_registry SET group_key = 'nonsense' WHERE condition_id = ?", [RSI.id]
            )
    with FileStore(tmp_path) as store:
        assert [each.condition_id for each in store.registry.conditions()] == [CLOSE.id]
    assert condition_loading.__name__ in {record.name for record in caplog.records}
    assert RSI.id in caplog.text


def test_a_stored_condition_of_another_definition_is_not_taken_for_what_it_was(registered: Store) -> None:
    stored = registered.registry.condition(RSI.id)
    assert stored is not None
    assert read_condition(stored) == RSI
    with pytest.raises(ConditionError, match=r"its id is 0+, but .* register it again"):
        read_condition(replace(stored, condition_id="0" * 32))


MOVE = Condition.parse("BTCUSDT 1h: close rises_by 1% within 100 bars")


@pytest.fixture
def moving(registered: Store, monkeypatch: pytest.MonkeyPatch) -> StoredCondition:
    """A stored condition whose canonical text is much longer than what was typed; nothing is cached."""
    registered.registry.register([MOVE], active_from_ms=0)
    stored = registered.registry.condition(MOVE.id)
    assert stored is not None
    monkeypatch.setattr(conditions, "_CACHE", ConditionCache())
    return stored


def test_a_stored_condition_is_read_from_its_short_text(
    moving: StoredCondition, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.delattr(Condition, "from_canonical")
        condition = read_condition(moving)
    assert (condition.id, condition.canonical, condition.text) == (moving.condition_id, moving.canonical, moving.text)
    from_canonical = Condition.from_canonical(moving.canonical)
    assert condition.tree == from_canonical.tree
    assert condition.momentary == from_canonical.momentary
    assert (condition.all_series, condition.needed) == (from_canonical.all_series, from_canonical.needed)


@pytest.mark.parametrize(
    "text",
    ["BTCUSDT 1h: close rises_by 2% within 100 bars", "BTCUSDT 1h: close soars", ""],
    ids=["means another condition", "cannot be read", "empty"],
)
def test_the_canonical_text_decides_where_the_short_one_means_something_else(
    moving: StoredCondition, text: str
) -> None:
    for _ in range(2):
        condition = read_condition(replace(moving, text=text))
        assert (condition.id, condition.canonical) == (moving.condition_id, moving.canonical)
