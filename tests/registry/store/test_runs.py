"""Failed runs and audits are kept, a deployment fails until its next success, and what nobody reads goes."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from common.clock import ReplayClock
from registry.store.files import watermarks
from registry.store.files.file_store import FileStore
from registry.store.parts.delivery import LogReading
from registry.store.parts.runs import AuditRecord, RunFailure
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt
from tests.registry.store.ticks import BTC, ETH, HOUR, tick

DAY = 24 * HOUR
FAILURE = RunFailure("run 1", "tick/1m", "Failed", "StoreBroken: the disk reports an error", 1_000)
AUDIT = AuditRecord("run 2", 0, DAY, 3, 2, 100, 1, 4, 0, 5, ("BTCUSDT 1h: rsi(14) < 30 at 1970-01-01: extra",), DAY)


def test_a_deployment_is_failing_until_its_next_success(store: Store) -> None:
    assert store.runs.failing() == []
    store.runs.record_failure(FAILURE)
    store.runs.record_failure(FAILURE)
    later = replace(FAILURE, run_id="run 3", state="Crashed", failed_ms=2_000)
    other = replace(FAILURE, run_id="run 4", deployment="audit/nightly")
    store.runs.record_failure(later)
    store.runs.record_failure(other)
    assert store.runs.failing() == [other, later]
    assert not store.runs.record_success("tick/1h", 3_000)
    assert store.runs.record_success("tick/1m", 3_000)
    assert not store.runs.record_success("tick/1m", 4_000)
    assert store.runs.failing() == [other]
    assert store.runs.failures(2) == [later, FAILURE]
    assert store.runs.failure_counts() == {"tick/1m": 2, "audit/nightly": 1}


def test_what_is_failing_is_still_known_after_a_restart(open_at: OpenAt, tmp_path: Path) -> None:
    healed = replace(FAILURE, run_id="run 5", deployment="tick/1h", failed_ms=9_000)
    with open_at(tmp_path) as store:
        store.runs.record_failure(FAILURE)
        store.runs.record_failure(healed)
        # A clock that was set back does not make the failure come back.
        assert store.runs.record_success("tick/1h", 8_000)
    with open_at(tmp_path) as store:
        assert store.runs.failing() == [FAILURE]
        assert store.runs.failure_counts() == {"tick/1m": 1, "tick/1h": 1}


def test_an_audit_is_recorded_once(store: Store) -> None:
    newer = replace(AUDIT, run_id="run 6", differences=0, examples=(), audited_ms=2 * DAY)
    for audit in (AUDIT, newer, AUDIT):
        store.runs.record_audit(audit)
    assert store.runs.audits(10) == [newer, AUDIT]
    assert store.runs.audits(1) == [newer]


def test_trimming_removes_what_nobody_reads_and_nothing_else(store: Store, clock: ReplayClock) -> None:
    now_ms = clock.now_ms()
    for number in range(1, 6):
        store.ticks.record_tick(tick(number * HOUR, (BTC, (number - 1) * HOUR or None), triggers=1))
        store.delivery.move_cursor("reader", number)
    store.ticks.record_tick(tick(HOUR, (ETH, None)))
    old, new = (LogReading(at, 1, 1, 1, 1, {}) for at in (now_ms - 8 * DAY, now_ms - 6 * DAY))
    store.delivery.record_log(old)
    store.delivery.record_log(new)
    store.runs.record_failure(FAILURE)
    store.runs.record_failure(replace(FAILURE, run_id="run 7", deployment="tick/1h", failed_ms=2_000))
    store.runs.record_success("tick/1h", 3_000)
    store.runs.record_audit(AUDIT)
    # Four watermarks, four cursors, a reading, the failure that is over, its end, and an audit.
    assert store.trim(DAY + 1) == 4 + 4 + 1 + 1 + 1 + 1
    assert store.trim(DAY + 1) == 0
    assert store.ticks.watermarks("1h") == {BTC: 5 * HOUR, ETH: HOUR}
    assert store.delivery.cursors() == {"reader": 5}
    assert store.delivery.log_readings(10) == [new]
    assert store.runs.failing() == [FAILURE], "it goes on"
    assert store.runs.audits(10) == []
    assert (store.triggers.last_seq(), store.ticks.ticks().height) == (5, 6)
    assert store.ticks.record_tick(tick(6 * HOUR, (BTC, 5 * HOUR), triggers=1)) == range(6, 7)


def test_watermarks_are_trimmed_a_few_ticks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermarks, "_AT_A_TIME", 7)
    with FileStore(tmp_path) as store:
        for number in range(1, 30):
            before = (number - 1) * HOUR or None
            store.ticks.record_tick(tick(number * HOUR, (BTC, before), (ETH, before)))
        assert store.trim(0) == 2 * 28
        assert store.ticks.watermarks("1h") == {BTC: 29 * HOUR, ETH: 29 * HOUR}
    with duckdb.connect(str(tmp_path / "registry.duckdb"), read_only=True) as raw:
        assert raw.execute("SELECT count(*) FROM group_watermarks").fetchone() == (2,)
