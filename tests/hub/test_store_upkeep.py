"""The owner tidies up its store by itself, again and again, and a failure is not the end of it."""

from pathlib import Path

import pytest

from common.clock import ReplayClock
from common.errors import StoreNotWritable
from common.supervision import Loops
from hub.store_upkeep import _wait_s, tidying
from registry.store.files.file_store import FileStore
from tests.registry.store.ticks import BTC, ETH, HOUR, tick
from tests.waiting import wait_for


def watermark_rows(store: FileStore) -> int:
    return len(store._database.rows("SELECT 1 FROM registry.group_watermarks"))


def record(store: FileStore, first: int, last: int) -> None:
    for hour in range(first, last + 1):
        since = (hour - 1) * HOUR if hour > 1 else None
        store.ticks.record_tick(tick(hour * HOUR, (BTC, since), (ETH, since), triggers=1))


def test_what_nobody_reads_goes_while_the_owner_works(tmp_path: Path) -> None:
    with FileStore(tmp_path) as store:
        record(store, 1, 5)
        assert watermark_rows(store) == 10
        with tidying(store, ReplayClock(9 * HOUR), Loops(), history_days=30, every_s=0.01):
            wait_for(lambda: watermark_rows(store) == 2, "the watermarks to be trimmed")
            record(store, 6, 9)
            wait_for(lambda: watermark_rows(store) == 2, "them to be trimmed again")
        assert store.ticks.watermarks("1h") == {BTC: 9 * HOUR, ETH: 9 * HOUR}
        assert store.ticks.totals()["ticks"].to_list() == [9], "what was judged stays"


def test_a_store_that_takes_no_writes_is_tidied_up_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileStore(tmp_path) as store:
        record(store, 1, 3)
        trim, failures = store.trim, iter([True, True, False])

        def trim_or_fail(before_ms: int) -> int:
            if next(failures, False):
                raise StoreNotWritable("no space left")
            return trim(before_ms)

        monkeypatch.setattr(store, "trim", trim_or_fail)
        loops = Loops()
        with tidying(store, ReplayClock(9 * HOUR), loops, history_days=30, every_s=0.01):
            wait_for(lambda: watermark_rows(store) == 2, "the watermarks to be trimmed")
            assert {loop.restarts for loop in loops.all()} == {0}


@pytest.mark.parametrize("now_s", [0.0, 29.5, 30.0, 30.5, 59.9, 1_775_000_003.2])
@pytest.mark.parametrize("every_s", [60.0, 600.0])
def test_it_is_done_halfway_between_two_closes(now_s: float, every_s: float) -> None:
    wait_s = _wait_s(now_s, every_s)
    assert every_s - 60 < wait_s <= every_s
    assert (now_s + wait_s) % 60 == pytest.approx(30)


def test_small_commits_do_not_stay_in_memory(tmp_path: Path) -> None:
    with FileStore(tmp_path) as store:
        record(store, 1, 9)
        log = tmp_path / "registry.duckdb.wal"
        assert log.stat().st_size > 0
        with tidying(store, ReplayClock(9 * HOUR), Loops(), history_days=30, every_s=0.01):
            wait_for(lambda: not log.exists() or not log.stat().st_size, "the log to be taken into the file")
