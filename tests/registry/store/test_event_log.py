"""What the store knows of the event log: whose it is, and how far it has been."""

import shutil
from pathlib import Path

from common.clock import ReplayClock
from registry.store.parts.delivery import LogReading
from registry.store.protocol import Store
from tests.registry.store.serving import OpenAt

WEEK_MS = 7 * 24 * 3_600_000


def reading(read_ms: int) -> LogReading:
    return LogReading(read_ms, stored_seq=9, published_seq=8, events=7, bytes=2_000, lags={"bots": 3, "hooks": 0})


def test_a_store_and_its_backup_share_an_identity_and_no_other_store_has_it(
    open_files_at: OpenAt, tmp_path: Path
) -> None:
    with open_files_at(tmp_path / "one", None) as store:
        identity = store.identity()
    shutil.copytree(tmp_path / "one", tmp_path / "backup")
    with open_files_at(tmp_path / "backup", None) as backup, open_files_at(tmp_path / "two", None) as other:
        assert backup.identity() == identity
        assert other.identity() != identity


def test_readings_come_newest_first_and_one_a_moment(store: Store) -> None:
    for read_ms in (1_000, 3_000, 2_000, 3_000):
        store.delivery.record_log(reading(read_ms))
    assert store.delivery.log_readings(2) == [reading(3_000), reading(2_000)]
    assert len(store.delivery.log_readings(10)) == 3


def test_readings_older_than_a_week_are_forgotten(open_at: OpenAt, tmp_path: Path, clock: ReplayClock) -> None:
    now_ms = clock.now_ms()
    with open_at(tmp_path / "store", clock) as store:
        for age_ms in (WEEK_MS + 1_000, WEEK_MS - 1_000, 0):
            store.delivery.record_log(reading(now_ms - age_ms))
    with open_at(tmp_path / "store", clock) as store:
        assert [reading_.read_ms for reading_ in store.delivery.log_readings(10)] == [now_ms, now_ms - WEEK_MS + 1_000]
