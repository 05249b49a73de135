"""What a store says about conditions that an upgrade superseded, on the files and through their owner."""

from pathlib import Path

from registry.store.files.file_store import FileStore
from registry.store.parts.registry import moved_subscriptions
from tests.registry.store.files.yesterday import formulas, old_store
from tests.registry.store.serving import OpenAt

RSI, OTHER_RSI = "f4fda3d9a0c12279b03c7582ae1cf0f0", "e0b95b8daa58c3b34a97ef7aeec431da"
"""Conditions of the store of yesterday that use rsi: bot-0 of user-0 and bot-9 of user-1 want the first, bot-1 of
user-1 the other."""


def test_who_stands_for_whom_and_who_is_told(open_files_at: OpenAt, tmp_path: Path) -> None:
    folder = old_store(tmp_path)
    with formulas(rsi=7):
        with FileStore(folder) as store:
            assert store.announce_upgrades() == 1
            seq = store.triggers.last_seq()
        with open_files_at(folder) as store:
            registry = store.registry
            new = registry.successor(RSI)
            assert new not in (RSI, registry.successor(OTHER_RSI))
            assert registry.successor(new) == new
            assert registry.successor("0" * 32) == "0" * 32
            assert registry.successors().keys() >= {RSI, OTHER_RSI}
            assert registry.successors()[RSI] == new
            assert {each.condition.condition_id: each.superseded_by for each in registry.all_superseded()} == dict(
                registry.successors()
            )
            superseded = registry.superseded(RSI)
            assert superseded is not None
            assert superseded in registry.all_superseded()
            assert superseded.condition.definition_versions == "rsi=1"
            assert (registry.superseded(new), registry.superseded("0" * 32)) == (None, None)

            assert RSI in {one.condition_id for one in registry.moved_of("user-0")}
            was, now = next(pair for pair in moved_subscriptions(registry, "user-1") if pair[0].condition_id == RSI)
            assert (was.bot_id, was.state, was.moved_to) == ("bot-9", "ended", new)
            assert (now.bot_id, now.state, now.condition_id, now.moved_to) == ("bot-9", "active", new, None)
            told = {(notice.bot_id, notice.condition_id): notice for notice in registry.notices_of("user-1")}
            assert told.keys() >= {("bot-9", RSI), ("bot-1", OTHER_RSI)}
            notice = told["bot-9", RSI]
            assert (notice.notice_id, notice.seq) == (f"superseded:{RSI}:user-1:bot-9", seq)
            assert (notice.superseded_by, notice.reason) == (new, "the formula of rsi changed from version 1 to 7")
            assert registry.notices_of("user-1", seq) == []
            assert registry.unsubscribe("user-1", "bot-9", new, at_ms=0)
            assert [pair for pair in moved_subscriptions(registry, "user-1") if pair[0].condition_id == RSI] == []
