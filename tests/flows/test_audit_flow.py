"""The nightly audit records what it compared, says what differs, and takes a tick that comes meanwhile for no fault."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from analysis.audit import audit
from common.clock import ReplayClock
from flows.advance import advance
from flows.audit import run_audit
from flows.runtime import Runtime, use_runtime
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

HOUR = 3_600_000
DAY_MS = 1_722_816_000_000
"""2024-08-05 00:00 UTC."""
TEXTS = ("BTCUSDT 1h: every(rsi(14) > 0)", "ETHUSDT 1h: every(rsi(14) > 0)")


@pytest.fixture
def runtime(tmp_path: Path, sample: pl.DataFrame) -> Iterator[Runtime]:
    """Two conditions that have fired on each of twelve hours."""
    clock = ReplayClock(DAY_MS)
    with FileStore(tmp_path / "store", clock=clock) as store:
        store.candles.upsert(
            sample.filter((pl.col("timeframe") == "1h") & pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]))
        )
        store.registry.register([Condition.parse(text) for text in TEXTS], active_from_ms=DAY_MS)
        with use_runtime(Runtime(store, MemoryLog(), clock)) as made:
            asyncio.run(advance(made, "1h", DAY_MS + 12 * HOUR))
            yield made


def test_what_was_judged_rightly_is_recorded_as_such(runtime: Runtime) -> None:
    record = run_audit("run", DAY_MS, DAY_MS + 6 * HOUR)
    assert (record.triggers, record.differences, record.groups, record.examples) == (12, 0, 2, ())
    assert runtime.store.runs.audits(1) == [record]


def test_a_trigger_that_the_candles_do_not_say_is_told(runtime: Runtime) -> None:
    assert isinstance(runtime.store, FileStore)
    with runtime.store._database.transaction() as transaction:
        transaction.execute("UPDATE registry.condition_triggers SET price = 1 WHERE seq = 3")
    record = run_audit("run", DAY_MS, None)
    assert (record.triggers, record.differences) == (24, 1)
    assert record.examples[0].endswith("at 2024-08-05 02:00: recorded differently")
    assert runtime.store.runs.audits(1)[0].differences == 1


def test_the_next_audit_begins_where_the_last_one_ended(runtime: Runtime) -> None:
    run_audit("first", DAY_MS, DAY_MS + HOUR)
    assert run_audit("second", None, DAY_MS + 50 * HOUR).since_ms == DAY_MS + HOUR
    # After a short one, a day all the same.
    assert run_audit("third", None, DAY_MS + 51 * HOUR).since_ms == DAY_MS + 27 * HOUR


def test_ticks_that_come_while_it_compares_are_no_differences(runtime: Runtime) -> None:
    def judge_more(done: int, _: int) -> None:
        asyncio.run(advance(runtime, "1h", DAY_MS + (12 + done) * HOUR))

    report = audit(runtime.store, since_ms=DAY_MS, progress=judge_more)
    assert (report.differences, report.triggers) == ((), 24)
    assert runtime.store.triggers.last_seq() == 28
