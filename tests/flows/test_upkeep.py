"""The nightly upkeep removes what nobody reads, keeps backups for as long as it is told, and measures costs anew."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from common.clock import ReplayClock
from common.errors import StoreNotWritable
from common.settings import Settings
from flows.runtime import Runtime, use_runtime
from flows.upkeep import remove_old_backups, remove_old_results, run_upkeep
from registry.conditions import Condition
from registry.store.files.file_store import FileStore
from tests.events.log.memory_log import MemoryLog

NOW_MS = 1_722_902_400_000
"""2024-08-06 00:00 UTC."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def filled(tmp_path: Path, sample: pl.DataFrame) -> Iterator[FileStore]:
    clock = ReplayClock(NOW_MS)
    with FileStore(tmp_path / "store", clock=clock) as store, use_runtime(Runtime(store, MemoryLog(), clock)):
        store.candles.upsert(sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")))
        texts = ("BTCUSDT 1h: rsi(14) < 30", "BTCUSDT 5m: rsi(14) < 30")
        store.registry.register([Condition.parse(text) for text in texts], active_from_ms=NOW_MS)
        yield store


def test_a_night_of_upkeep(filled: FileStore, settings: Settings) -> None:
    assert filled.ticks.unit_costs() is None
    done = run_upkeep(settings)
    assert done.calibrated
    costs = filled.ticks.unit_costs()
    assert costs is not None
    assert costs.sample == 200
    assert done.backup is not None
    with FileStore(Path(done.backup)) as copy:
        assert len(copy.registry.conditions()) == 2
    assert Path(done.backup).parent == (settings.data_dir / "backups").absolute()
    assert (Path(done.backup).parent.stat().st_mode & 0o77) == 0


def test_no_backup_is_made_where_none_is_wanted(filled: FileStore, settings: Settings) -> None:
    assert filled.registry.version() > 0
    assert run_upkeep(settings.model_copy(update={"backup_days": 0})).backup is None
    assert not (settings.data_dir / "backups").exists()


def test_a_backup_without_space_is_refused_after_everything_else(
    filled: FileStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    with pytest.raises(StoreNotWritable, match="HUB_BACKUP_DIR"):
        run_upkeep(settings)
    assert filled.ticks.unit_costs() is not None
    assert list((settings.data_dir / "backups").iterdir()) == []


def test_old_backups_go_and_the_newest_stays(settings: Settings) -> None:
    folder = settings.data_dir / "backups"
    old, older = "2024-07-20T004000Z", "2024-07-19T004000Z"
    for name in ("2024-08-05T004000Z", "2024-07-30T000001Z", "2024-07-29T235959Z", old, older, "before-upgrade"):
        (folder / name).mkdir(parents=True)
    assert remove_old_backups(settings, NOW_MS) == 3
    assert {path.name for path in folder.iterdir()} == {"2024-08-05T004000Z", "2024-07-30T000001Z", "before-upgrade"}
    # Nothing was made for a long time: the last one is all there is.
    assert remove_old_backups(settings, NOW_MS + 10**11) == 1
    assert {path.name for path in folder.iterdir()} == {"2024-08-05T004000Z", "before-upgrade"}


def test_old_results_of_prefect_go(tmp_path: Path) -> None:
    assert remove_old_results(tmp_path / "none", 1e9) == 0
    for name, written in (("old", 1_000), ("new", 2_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (written, written))
    assert remove_old_results(tmp_path, 1_500) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
