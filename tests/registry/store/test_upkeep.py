"""Backups, restores, checks and gaps: copies are whole, replaced files are kept, and inconsistencies are reported."""

import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import SchemaMismatch, StoreError, StoreLocked, StoreMissing, StoreNotWritable
from common.timeframes import from_ms
from registry.conditions import Condition
from registry.store.files.backup import restore_backup
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from registry.store.parts.ticks import RunRecord
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt
from tests.registry.store.ticks import BTC, ETH, HOUR, tick
from tests.waiting import wait_for

RSI = Condition.parse("BTCUSDT 1h: rsi(14) < 30")


def fill(store: Store, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "BTCUSDT"))
    store.candles.upsert(hours.head(50))
    store.registry.register([RSI], active_from_ms=0)
    store.registry.subscribe([SubscriptionRequest("ann", "b", RSI.id, "dca", {"n": 1})], active_from_ms=0)


def contents(store: Store) -> tuple[object, ...]:
    return (
        store.candles.between(BTC.base, 0, 10**15).rows(),
        store.registry.conditions(),
        store.registry.subscriptions_of("ann"),
        store.registry.bot_config("ann", "b", RSI.id),
        store.triggers.after(0, 1_000).rows(),
        store.ticks.watermarks("1h"),
    )


def test_a_store_that_takes_writes_has_no_problem_with_commits(store: Store, sample: pl.DataFrame) -> None:
    assert store.commit_problem() is None
    fill(store, sample)
    assert store.commit_problem() is None


def test_a_restored_backup_is_the_store_of_its_moment(
    file_store: Store, open_files_at: OpenAt, tmp_path: Path, sample: pl.DataFrame
) -> None:
    fill(file_store, sample)
    file_store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=2))
    before = contents(file_store)
    made = file_store.backup(str(tmp_path / "backups" / "one"))
    assert made.rows > 50
    assert made.bytes == sum(file.stat().st_size for file in (tmp_path / "backups" / "one").iterdir())
    file_store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=1))
    assert restore_backup(tmp_path / "backups" / "one", tmp_path / "restored", replace=False) is None
    with open_files_at(tmp_path / "restored") as restored:
        assert contents(restored) == before
        assert restored.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR), triggers=1)) == range(3, 4)
    assert file_store.triggers.last_seq() == 3


def test_a_backup_holds_whole_commits_while_others_write(
    file_store: Store, tmp_path: Path, sample: pl.DataFrame
) -> None:
    fill(file_store, sample)
    stop = threading.Event()

    hours = sample.filter((pl.col("timeframe") == "1h") & (pl.col("symbol") == "ETHUSDT")).sort("open_time")

    def write() -> None:
        for number in range(1, 500):
            if stop.is_set():
                return
            file_store.candles.upsert(hours[number - 1])
            since = None if number == 1 else (number - 1) * HOUR
            file_store.ticks.record_tick(tick(number * HOUR, (BTC, since), triggers=3))

    writing = threading.Thread(target=write)
    writing.start()
    try:
        wait_for(lambda: file_store.ticks.ticks().height > 1, "ticks to be recorded")
        for name in ("a", "b", "c"):
            file_store.backup(str(tmp_path / name))
    finally:
        stop.set()
        writing.join()
    for name in ("a", "b", "c"):
        with FileStore(tmp_path / name) as copy:
            ticks = copy.ticks.ticks()
            candles = copy.candles.between(ETH.base, 0, 10**15).height
            assert candles - ticks.height in (0, 1), "both files are of one moment"
            assert copy.triggers.last_seq() == 3 * ticks.height == copy.triggers.after(0, 10_000).height
            # Their conditions were never registered.
            assert {each.subject for each in copy.check() if each.problem} == {
                "triggers belong to registered conditions"
            }
            assert copy.ticks.watermarks("1h") == {BTC: ticks.height * HOUR}


def test_a_backup_begins_between_writes(tmp_path: Path) -> None:
    with FileStore(tmp_path / "store") as store:
        backing_up = threading.Thread(target=store.backup, args=(str(tmp_path / "backup"),))
        with store._database.alone():
            backing_up.start()
            backing_up.join(0.5)
            assert backing_up.is_alive(), "what is being written to both files must be in both copies or in none"
        backing_up.join()
    assert (tmp_path / "backup").is_dir()


def test_a_backup_replaces_nothing(file_store: Store, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(StoreError, match="already exists"):
        file_store.backup(str(tmp_path / "there"))
    (tmp_path / "file").touch()
    with pytest.raises(StoreNotWritable, match="name a writable folder"):
        file_store.backup(str(tmp_path / "file" / "x"))
    assert {path.name for path in tmp_path.iterdir()} == {"store", "there", "file"}


def test_a_restore_replaces_only_when_told_and_keeps_what_was_there(tmp_path: Path, sample: pl.DataFrame) -> None:
    with FileStore(tmp_path / "store") as store:
        fill(store, sample)
        store.backup(str(tmp_path / "backup"))
        store.ticks.record_tick(tick(HOUR, (BTC, None), triggers=2))
        after = contents(store)
        with pytest.raises(StoreError, match="--yes"):
            restore_backup(tmp_path / "backup", tmp_path / "store", replace=False)
    for number in (1, 2):
        aside = restore_backup(tmp_path / "backup", tmp_path / "store", replace=True)
        assert aside == tmp_path / f"store.before-restore-{number}"
    with FileStore(tmp_path / "store.before-restore-1") as kept:
        assert contents(kept) == after
    with FileStore(tmp_path / "store") as restored:
        assert restored.triggers.last_seq() == 0
        assert restored.registry.condition(RSI.id) is not None


def test_what_is_no_backup_changes_nothing(tmp_path: Path, sample: pl.DataFrame) -> None:
    with FileStore(tmp_path / "store") as store:
        fill(store, sample)
        before = contents(store)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "registry.duckdb").touch()
    with pytest.raises(StoreMissing, match=r"candles\.duckdb"):
        restore_backup(tmp_path / "half", tmp_path / "store", replace=True)
    for catalog in ("registry", "candles"):
        (tmp_path / "half" / f"{catalog}.duckdb").write_bytes(b"something else")
    with pytest.raises(StoreError, match=f"{tmp_path / 'half'} failed"):
        restore_backup(tmp_path / "half", tmp_path / "store", replace=True)
    FileStore(tmp_path / "newer").close()
    with duckdb.connect(str(tmp_path / "newer" / "registry.duckdb")) as raw:
        raw.execute("INSERT INTO schema_version VALUES (9999, 'future', 'x', now()::TIMESTAMP)")
    with pytest.raises(SchemaMismatch, match="9999"):
        restore_backup(tmp_path / "newer", tmp_path / "store", replace=True)
    assert {path.name for path in tmp_path.iterdir()} == {"store", "half", "newer"}
    with FileStore(tmp_path / "store") as store:
        assert contents(store) == before


def test_a_damaged_store_can_be_replaced(tmp_path: Path) -> None:
    with FileStore(tmp_path / "store") as store:
        store.backup(str(tmp_path / "backup"))
    (tmp_path / "store" / "registry.duckdb").write_bytes(b"\0" * 20_000)
    with pytest.raises(StoreError):
        FileStore(tmp_path / "store")
    restore_backup(tmp_path / "backup", tmp_path / "store", replace=True)
    FileStore(tmp_path / "store").close()


def test_a_subscription_that_has_ended_needs_no_configuration(
    open_at: OpenAt, tmp_path: Path, sample: pl.DataFrame
) -> None:
    with open_at(tmp_path / "s") as store:
        fill(store, sample)
        assert store.registry.unsubscribe("ann", "b", RSI.id, at_ms=10)
    # Its configuration is dropped by then, too.
    with open_at(tmp_path / "s") as store:
        assert store.registry.bot_config("ann", "b", RSI.id) is None
        assert [finding.problem for finding in store.check() if finding.problem is not None] == []


def _row(table: str, **changed: str) -> str:
    values = ", ".join(f"{value} AS {name}" for name, value in changed.items())
    return f"INSERT INTO {table} SELECT * REPLACE ({values}) FROM {table} LIMIT 1"


@pytest.mark.parametrize(
    ("subject", "damage"),
    [
        ("each seq belongs to one trigger", _row("registry.condition_triggers", trigger_id="'other'")),
        ("seq has no gaps", "DELETE FROM registry.condition_triggers WHERE seq = 1"),
        ("each trigger is recorded once", _row("registry.condition_triggers", seq="3")),
        ("triggers belong", "DELETE FROM registry.condition_registry"),
        ("ticks are numbered", "UPDATE registry.ticks SET tick_id = 5"),
        ("the trigger counts of conditions", "UPDATE registry.condition_state SET triggers = triggers + 1"),
        ("the totals of ticks", "UPDATE registry.tick_totals SET conditions = conditions + 1"),
        ("the totals of ticks", "UPDATE registry.run_totals SET record_us = 9"),
        ("runs are numbered", "UPDATE registry.tick_runs SET number = 2"),
        ("triggers have the keys", "UPDATE registry.condition_triggers SET condition_key = 1"),
        ("each condition has one row", _row("registry.condition_registry", text="'x'")),
        ("each condition has one row", "DELETE FROM registry.condition_activity"),
        ("subscriptions are to", "DELETE FROM registry.condition_registry"),
        ("each subscription has one row", _row("registry.user_condition_subscriptions", change="9")),
        ("each subscription has one row", "UPDATE registry.user_condition_subscriptions SET bot_config = NULL"),
        ("changes of subscriptions", _row("registry.user_condition_subscriptions", revision="9")),
        ("each slot has one candle", _row("candles.candles", volume="1.0")),
        ("candles belong", "DELETE FROM candles.series"),
        ("candles belong", "DELETE FROM candles.instruments"),
        ("candles belong", _row("candles.instruments", calendar="'x'")),
        ("each judged series", "DELETE FROM registry.series_anchors"),
    ],
)
def test_what_does_not_agree_is_found_and_nothing_else(
    tmp_path: Path, sample: pl.DataFrame, subject: str, damage: str
) -> None:
    clock = ReplayClock(0)
    with FileStore(tmp_path, clock=clock) as store:
        fill(store, sample)
        rows = tick(HOUR, (BTC, None), triggers=2)
        fired = rows.triggers.with_columns(pl.lit(RSI.id).alias("condition_id"))
        store.ticks.record_tick(type(rows)(**{**vars(rows), "triggers": fired}))
        store.ticks.record_run(RunRecord("run", "1h", HOUR, 1, 2, 3, 4, 5))
        # Totals of an hour are written once it is over.
        clock.move_to(HOUR)
        store.ticks.record_tick(tick(2 * HOUR, (BTC, HOUR)))
        store.ticks.record_run(RunRecord("next", "1h", 2 * HOUR, 1, 2, 3, 4, 5))
        assert [one for one in store.check() if one.problem] == []
    with FileStore(tmp_path) as store, store._database.transaction() as transaction:
        transaction.execute(damage)
    with FileStore(tmp_path) as store:
        problems = [finding for finding in store.check() if finding.problem]
    assert any(finding.subject.startswith(subject) and finding.mend for finding in problems), problems
    assert all(str(finding.problem).startswith("does not hold for ") for finding in problems)
    assert "ann" not in str(problems)


@pytest.mark.parametrize("hold", [FileStore, duckdb.connect], ids=["the hub", "somebody else"])
def test_a_store_in_use_is_not_replaced(tmp_path: Path, hold: Callable[..., object]) -> None:
    """In another process, as a lock is a process's."""
    import subprocess
    import sys

    FileStore(tmp_path / "store").close()
    FileStore(tmp_path / "backup").close()
    opened = "FileStore(p)" if hold is FileStore else "duckdb.connect(str(p / 'registry.duckdb'))"
    code = (
        "import duckdb, sys; from pathlib import Path; from registry.store.files.file_store import FileStore\n"
        f"p = Path(sys.argv[1]); opened = {opened}; print('open', flush=True); sys.stdin.read(); opened.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "store")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked, match=f"process {other.pid}"):
            restore_backup(tmp_path / "backup", tmp_path / "store", replace=True)
        assert other.stdin is not None
        other.stdin.close()
        assert other.wait() == 0


def test_gaps_are_listed_with_what_was_judged_of_them(store: Store, sample: pl.DataFrame) -> None:
    hours = sample.filter((pl.col("timeframe") == "1h") & pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]))
    rows = [hours.filter(pl.col("symbol") == symbol).sort("open_time").head(10) for symbol in ("BTCUSDT", "ETHUSDT")]
    store.candles.upsert(pl.concat([rows[0][[0, 1, 4, 5, 7]], rows[1]]))
    opens = rows[0]["open_time"].to_list()
    start = rows[0]["open_time"].dt.epoch("ms")[0]
    record = tick(start + 5 * HOUR, (BTC, None))
    holes = ((BTC, start + 2 * HOUR), (BTC, start + 3 * HOUR))
    store.ticks.record_tick(type(record)(**{**vars(record), "holes": holes}))
    assert store.candles.gaps().rows() == [
        (BTC, opens[2], opens[3], 2, 2, "24x7"),
        (BTC, opens[6], opens[6], 1, 0, "24x7"),
    ]
    assert store.candles.gaps(ETH.base).is_empty()
    assert from_ms(start) == opens[0]
