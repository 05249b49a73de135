"""Upgrading a store that nobody has open: what would change, and the change itself with a copy to go back to."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from common.clock import Clock, SystemClock
from common.errors import SchemaMismatch, StoreMissing, StoreNotWritable
from registry.store.files.backup import copy_files, files_of, free_name
from registry.store.files.database import DuckDatabase, refuse_if_open
from registry.store.files.upgrade import Progress, changes_of, is_current, upgrade


@dataclass(frozen=True)
class OfflineUpgrade:
    """What an upgrade of a store changes, or would change."""

    schemas: dict[str, tuple[int, int]]
    """File -> its schema before and after."""
    changes: pl.DataFrame
    """As in :func:`registry.store.files.upgrade.changes_of`."""
    kept: Path | None
    """Where the store is as it was before; ``None`` if nothing had to be done, or nothing was."""


def upgrade_offline(folder: Path, progress: Progress, clock: Clock | None = None) -> OfflineUpgrade:
    """Bring a store up to this version of the hub. If there is anything to do, a copy of its files is kept beside it.

    Raises what opening the store raises: then nothing has changed, and nothing is kept.
    """
    clock = clock or SystemClock()
    kept = None if not files_of(folder) or _is_current(folder) else _keep_copy(folder)
    try:
        database = DuckDatabase(folder, read_only=False)
    except SchemaMismatch:
        if kept is not None:
            shutil.rmtree(kept)
        raise
    try:
        return _upgraded(database, clock, progress, kept)
    finally:
        database.close()


def preview_upgrade(folder: Path, progress: Progress, clock: Clock | None = None) -> OfflineUpgrade:
    """What :func:`upgrade_offline` would do to the registry, found out on a copy of it. The store is not touched."""
    if not files_of(folder):
        raise StoreMissing(f"no store in {folder}; set HUB_DATA_DIR to the folder of one")
    refuse_if_open(folder)
    copy = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    try:
        copy_files(folder, copy, catalogs=("registry",))
        database = DuckDatabase(copy, read_only=False)
        try:
            done = _upgraded(database, clock or SystemClock(), progress, None)
        finally:
            database.close()
    except OSError as error:
        raise StoreNotWritable(
            f"cannot copy the registry to {copy}, to try the upgrade on it: {error.strerror}; free some space"
        ) from error
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return OfflineUpgrade({"registry": done.schemas["registry"]}, done.changes, None)


def _upgraded(database: DuckDatabase, clock: Clock, progress: Progress, kept: Path | None) -> OfflineUpgrade:
    report = upgrade(database, clock, progress)
    return OfflineUpgrade(database.migrated, changes_of(database, 0 if report is None else report.upgrade), kept)


def _is_current(folder: Path) -> bool:
    """Whether this version of the hub has nothing to change in a store."""
    try:
        database = DuckDatabase(folder, read_only=True)
    except (SchemaMismatch, StoreMissing):
        return False
    try:
        return is_current(database)
    finally:
        database.close()


def _keep_copy(folder: Path) -> Path:
    refuse_if_open(folder)
    aside = free_name(folder, "before-upgrade")
    try:
        copy_files(folder, aside)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise StoreNotWritable(
            f"cannot keep a copy of the store in {aside}: {error.strerror}; free some space, or make a backup with the "
            "version of the hub that wrote the store, and start the hub, which upgrades it without a copy"
        ) from error
    return aside
