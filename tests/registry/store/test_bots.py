"""Bots are made whole or not at all, what they did is recorded once, and a forgotten user leaves nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.clock import ReplayClock
from common.errors import BotExists, StaleBots, StoreError
from registry.conditions import Condition
from registry.store.files import bot_records
from registry.store.files.file_store import FileStore
from registry.store.parts.bots import BotCommand, StoredBot
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy
from tests.api.served_hub import few_candles
from tests.registry.store.bot_changes import BTC, at, changes, new_bot, note, order, state, texts
from tests.registry.store.serving import OpenAt

FIRST, SECOND = (Condition.parse(f"BTCUSDT 1h: close > {value}") for value in (1, 2))
POLICY = DeliveryPolicy(cooldown_s=60)


def prepare(store: Store) -> Store:
    store.candles.upsert(few_candles())
    store.registry.register([FIRST, SECOND], active_from_ms=0)
    return store


def create(store: Store, user: str = "ann", bot_id: str = "b1") -> int:
    bot, _ = store.bots.create(new_bot(user, bot_id, FIRST.id, SECOND.id), POLICY, active_from_ms=5)
    return bot.number


def test_a_bot_is_made_with_its_subscriptions_and_once(store: Store) -> None:
    prepare(store)
    bot, is_new = store.bots.create(new_bot("ann", "b1", FIRST.id, SECOND.id), POLICY, active_from_ms=5)
    assert is_new
    assert (bot.bot_config, bot.instruments, bot.life) == ({"baseOrderSize": 100}, (BTC,), "active")
    assert {one.condition_id for one in store.registry.subscriptions_of("ann")} == {FIRST.id, SECOND.id}
    assert {one.policy.cooldown_s for one in store.registry.subscriptions_of("ann")} == {60}
    again = store.bots.create(new_bot("ann", "b1", FIRST.id, SECOND.id), POLICY, active_from_ms=9)
    assert again == (bot, False)
    with pytest.raises(BotExists, match="'b1' already, with another configuration"):
        store.bots.create(new_bot("ann", "b1", FIRST.id), POLICY, active_from_ms=9)
    assert (store.bots.active_count("ann"), store.bots.active_count(), store.bots.active_count("bob")) == (1, 1, 0)
    assert store.bots.bot("bob", "b1") is None


def test_a_bot_whose_condition_is_unknown_is_not_made(store: Store) -> None:
    prepare(store)
    with pytest.raises(StoreError, match="register it before subscribing"):
        store.bots.create(new_bot("ann", "b1", FIRST.id, "0" * 32), POLICY, active_from_ms=5)
    assert store.registry.subscriptions_of("ann") == []
    assert (store.bots.bot("ann", "b1"), store.bots.bots_of("ann"), store.bots.changed_after(0, 9)) == (None, [], [])


@pytest.mark.parametrize("failing", ["subscribe", "_remember"])
def test_a_bot_that_is_half_made_is_undone_when_the_store_is_opened(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the bot's row, or after its subscriptions."""
    with FileStore(tmp_path) as store:
        prepare(store)
        target = store.registry if failing == "subscribe" else store.bots

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(target, failing, die)
        # What would be undone at once stays, as after a kill.
        monkeypatch.setattr(store.bots, "_undo", die)
        if failing == "_remember":
            write = store.bots._write

            def write_the_first(bot: StoredBot, text: str, life: Any) -> None:
                if life == "making":
                    write(bot, text, life)

            monkeypatch.setattr(store.bots, "_write", write_the_first)
        with pytest.raises(KeyboardInterrupt):
            create(store)
    with FileStore(tmp_path) as store:
        assert store.registry.subscriptions_of("ann") == []
        assert store.bots.bots_of("ann") == []
        assert store.bots.bot("ann", "b1") is None
        assert create(store) > 0


def test_what_was_recorded_is_there_after_a_restart(open_at: OpenAt, tmp_path: Path) -> None:
    with open_at(tmp_path) as store:
        number = create(prepare(store))
        other = create(store, bot_id="b2")
        assert store.bots.give_command("pause", user_id="ann", bot_id="b1", at_ms=60_000) == 1
        store.bots.record(changes(state(number, 1), orders=[order(number, "a")], notes=[note(number, "one")]))
        store.bots.record(changes(state(number, 2, 2, status="active", error="e"), notes=[note(number, "two", 2)]))
        store.bots.end(other, at_ms=9)
    with open_at(tmp_path) as store:
        bot = store.bots.bot("ann", "b1")
        assert bot is not None
        assert (bot.number, bot.life) == (number, "active")
        ((_, standing),) = store.bots.standings([number, other])
        assert (standing.revision, standing.status, standing.error, standing.price) == (2, "active", "e", "100.10")
        (row,) = store.bots.states([number, other]).iter_rows(named=True)
        assert (row["revision"], row["state"], row["candle_at"]) == (2, '{"private": 1}', at(2))
        assert texts(store, number) == ["two", "one"]
        (placed,) = store.bots.history(number, "orders", 10).iter_rows(named=True)
        assert (placed["client_id"], placed["price"], placed["placed_at"]) == ("a", "99.90", at(1))
        assert store.bots.commands_after(0, 9) == [BotCommand(1, number, "pause", 60_000)]
        assert [(one.bot_id, one.life) for one in store.bots.bots_of("ann")] == [("b2", "ended"), ("b1", "active")]
        # Both numbers go on where they were.
        assert create(store, "bob") == other + 1
        assert store.bots.give_command("kill", user_id=None, bot_id=None, at_ms=1) == 2
        assert store.bots.last_command() == 3


def test_the_same_steps_again_change_nothing_and_others_are_refused(store: Store) -> None:
    number, other = create(prepare(store)), create(store, bot_id="b2")
    first = changes(state(number, 1), notes=[note(number, "one")])
    for _ in range(2):
        store.bots.record(first)
    assert texts(store, number) == ["one"]
    both = changes(state(number, 1), state(other, 1), notes=[note(number, "one"), note(other, "new")])
    store.bots.record(both)
    assert (texts(store, number), texts(store, other)) == (["one"], ["new"])
    with pytest.raises(StaleBots, match="two processes of one hub run bots"):
        store.bots.record(changes(state(number, 3), state(other, 2), notes=[note(other, "lost")]))
    assert texts(store, other) == ["new"]
    assert [standing.revision for _, standing in store.bots.standings([number, other])] == [1, 1]


def test_a_bot_that_has_ended_leaves_its_subscriptions_and_its_name(store: Store) -> None:
    number = create(prepare(store))
    before = store.bots.last_change()
    for _ in range(2):
        store.bots.end(number, at_ms=9)
    assert store.registry.subscriptions_of("ann") == []
    assert [(one.number, one.life) for one in store.bots.changed_after(before, 9)] == [(number, "ended")]
    assert store.bots.give_command("pause", user_id="ann", bot_id="b1", at_ms=1) == 0
    again = create(store)
    assert again != number
    newest = store.bots.bot("ann", "b1")
    assert newest is not None
    assert newest.number == again
    assert [one.number for one in store.bots.changed_after(0, 9)] == [number, again]
    assert [one.number for one in store.bots.changed_after(0, 1)] == [number]


def test_instruments_are_those_of_all_users_bots(store: Store) -> None:
    assert store.bots.instruments() == []
    number, other, gone = create(prepare(store)), create(store, "bob"), create(store, "eve", "b3")
    eth, _ = store.bots.create(
        replace(new_bot("ann", "b2"), kind="grid", instruments=("BINANCE:ETHUSDT", BTC)), POLICY, active_from_ms=5
    )
    store.bots.end(gone, at_ms=9)
    assert store.bots.instruments() == [BTC, "BINANCE:ETHUSDT"]
    for ended in (number, other):
        store.bots.end(ended, at_ms=9)
    store.bots.end(eth.number, at_ms=9)
    assert store.bots.instruments() == []


def test_history_is_read_page_by_page(store: Store) -> None:
    number, other = create(prepare(store)), create(store, "bob")
    for revision in range(1, 4):
        names = [f"{revision}a", f"{revision}b"]
        rows = [note(number, name) for name in names] + [note(other, "other")]
        store.bots.record(changes(state(number, revision), state(other, revision), notes=rows))
    page = store.bots.history(number, "notes", 4)
    assert page["text"].to_list() == ["3b", "3a", "2b", "2a"]
    rest = store.bots.history(number, "notes", 4, before=page["entry"].to_list()[-1])
    assert rest["text"].to_list() == ["1b", "1a"]
    assert store.bots.history(number, "deals", 4).is_empty()


def test_replaced_states_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_records, "_REPLACED_MOST", 5)
    with FileStore(tmp_path) as store:
        number, other = create(prepare(store)), create(store, "bob")
        store.bots.record(changes(state(other, 1)))
        for revision in range(1, 50):
            store.bots.record(changes(state(number, revision)))
        rows = store._database.rows("SELECT count(*) FROM registry.bot_states")
        assert int(str(rows[0][0])) <= 5 + 2 * 2 + 2
        assert store.bots.states([number, other])["revision"].to_list() == [49, 1]


def test_trimming_keeps_what_counts(store: Store) -> None:
    number, other = create(prepare(store)), create(store, "bob")
    store.bots.give_command("pause", user_id=None, bot_id=None, at_ms=1)
    for revision in (1, 2):
        store.bots.record(changes(state(number, revision)))
    store.bots.end(other, at_ms=9)
    # The rows "making" and "active" of each, and of the one that ended; a state.
    assert store.trim(0) >= 2 + 1
    assert store.trim(0) == 0
    assert store.bots.states([number])["revision"].to_list() == [2]
    assert [one.number for one in store.bots.commands_after(0, 9)] == [number, other]


def test_a_forgotten_user_has_no_bots_any_more(open_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> None:
    with open_at(tmp_path / "store", clock) as store:
        number, other = create(prepare(store)), create(store, "bob")
        for each in (number, other):
            store.bots.record(changes(state(each, 1), orders=[order(each, "a")], notes=[note(each, "secret note")]))
            store.bots.give_command("pause", user_id=None, bot_id=None, at_ms=1)
        before = store.bots.last_change()
        assert store.bots.forget_user("ann") == 1
        assert store.bots.forget_user("nobody") == 0
        (gone,) = store.bots.changed_after(before, 9)
        assert (gone.number, gone.life, gone.bot_config, gone.conditions) == (number, "ended", {}, ())
        assert store.bots.standings([number]) == []
        assert store.bots.states([number]).is_empty()
        assert store.bots.history(number, "orders", 9).is_empty()
        assert {one.number for one in store.bots.commands_after(0, 9)} == {other}
        assert texts(store, other) == ["secret note"]
