"""The flow that tidies up every night: what nobody reads is removed, a backup is made, and costs are measured anew.

It runs in a process of its own, and asks the owner of the store for short transactions only: no tick waits for it.
"""

import logging
import random
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread
from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run

from analysis.savings import calibrate
from candles.series import SeriesReader
from common.clock import SystemClock
from common.errors import ConditionError, StoreNotWritable
from common.private_files import make_private_folder
from common.settings import Settings, load_settings
from engine.warming import warm
from flows.hooks import record_failure, record_success
from flows.runtime import store_in_use
from registry.conditions import Condition
from registry.store.parts.registry import read_condition
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_DAY_MS = 24 * 3_600_000
_RESULT_DAYS = 7
"""Prefect keeps its runs for a week; it never removes what it has written about those that failed."""
_SAMPLE = 200
"""Isolated evaluations that are measured: about a second of one processor."""
_BACKUP_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z")


@dataclass(frozen=True)
class Upkeep:
    """What was done."""

    rows: int
    """Rows removed from the store."""
    files: int
    """Files of Prefect removed."""
    backup: str | None
    """The new backup; ``None`` if none was made."""
    backups_removed: int
    calibrated: bool
    """Whether the costs of isolated evaluations were measured anew."""


@flow(
    name="upkeep",
    flow_run_name="upkeep",
    retries=0,
    persist_result=False,
    on_completion=[record_success],
    on_failure=[record_failure],
    on_crashed=[record_failure],
)
async def upkeep() -> dict[str, int | str]:
    """Remove what nobody reads any more, measure what isolated evaluations cost, and make a backup."""
    done = await anyio.to_thread.run_sync(run_upkeep, load_settings())
    row: dict[str, int | str] = {
        "Rows removed": done.rows,
        "Files removed": done.files,
        "Costs measured": "yes" if done.calibrated else "no",
        "Backup": done.backup or "none",
        "Backups removed": done.backups_removed,
    }
    await acreate_table_artifact(table=[row], key="upkeep", description="What the nightly upkeep did")
    return row | {"Run": str(flow_run.get_id())}


def run_upkeep(settings: Settings) -> Upkeep:
    """Do all of it, the backup last: a disk without space for it is told after everything else is done.

    Raises :class:`common.errors.StoreNotWritable` if there is no space for a backup, and what the store raises.
    """
    now_ms = SystemClock().now_ms()
    with store_in_use() as store:
        rows = store.trim(int(now_ms - settings.history_days * _DAY_MS))
        files = remove_old_results(settings.data_dir / "prefect" / "storage", now_ms / 1000 - _RESULT_DAYS * 86_400)
        calibrated = calibrate_costs(store, now_ms)
        backup = back_up(store, settings, now_ms)
    removed = remove_old_backups(settings, now_ms)
    return Upkeep(rows, files, backup, removed, calibrated)


def remove_old_results(folder: Path, before_s: float) -> int:
    """Remove the files in a folder that were last written before a time, in seconds; returns how many."""
    removed = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.is_file() and path.stat().st_mtime < before_s:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def calibrate_costs(store: Store, now_ms: int) -> bool:
    """Measure what isolated evaluations cost, on conditions chosen at random; returns whether there were any."""
    reader, readable = SeriesReader.of(store), []
    stored = store.registry.conditions()
    unjudged = store.registry.unjudged()
    for each in random.sample(stored, min(_SAMPLE, len(stored))):
        if each.condition_id in unjudged:
            continue
        try:
            condition: Condition = read_condition(each)
        except ConditionError:
            continue
        if all(map(reader.exists, condition.all_series)):
            readable.append(condition)
    if not readable:
        return False
    # What compiling costs is not the evaluations'.
    warm(lambda _: None)
    calibrate(store, readable, at_ms=now_ms, sample=_SAMPLE)
    return True


def back_up(store: Store, settings: Settings, now_ms: int) -> str | None:
    """Make a backup, if backups are kept and the files are on this machine; returns its folder.

    Raises :class:`common.errors.StoreNotWritable` if it would not leave half of the free space.
    """
    if settings.backup_days == 0 or not settings.resolved_store_url.startswith("duckdb:"):
        return None
    folder = settings.resolved_backup_dir.absolute()
    try:
        make_private_folder(folder)
    except OSError as error:
        raise StoreNotWritable(f"cannot create {folder}: {error.strerror}; set HUB_BACKUP_DIR") from error
    place = Path(settings.resolved_store_url.partition(":")[2])
    needed = sum(file.stat().st_size for file in place.glob("*.duckdb*"))
    free = shutil.disk_usage(folder).free
    if needed > free // 2:
        raise StoreNotWritable(
            f"no backup was made: it takes about {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left; set "
            "HUB_BACKUP_DIR to another disk, or HUB_BACKUP_DAYS to fewer days or 0"
        )
    name = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    return store.backup(str(folder / name)).folder


def remove_old_backups(settings: Settings, now_ms: int) -> int:
    """Remove nightly backups that are too old, but never the newest one; returns how many."""
    folder = settings.resolved_backup_dir
    if settings.backup_days == 0 or not folder.is_dir():
        return 0
    before = datetime.fromtimestamp(now_ms / 1000 - settings.backup_days * 86_400, UTC).strftime("%Y-%m-%dT%H%M%SZ")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and _BACKUP_NAME.fullmatch(path.name))
    old = [name for name in names[:-1] if name < before]
    for name in old:
        shutil.rmtree(folder / name)
    return len(old)
