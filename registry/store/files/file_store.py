"""The store in files that this process owns."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Self

from common.clock import Clock, SystemClock
from common.errors import StoreBroken
from registry.store.files.backup import write_backup
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.database import DuckDatabase
from registry.store.files.integrity import check
from registry.store.files.tables import Tables
from registry.store.files.upgrade import Progress, UpgradeReport, refuse_outdated, upgrade
from registry.store.parts.ticks import Rebase
from registry.store.protocol import Backup, Finding

_log = logging.getLogger(__name__)


class FileStore:
    """Implements :class:`registry.store.protocol.Store` over two DuckDB files in ``folder``.

    One process owns the files; in a second one, :class:`common.errors.StoreLocked` names the first.
    ``read_only`` needs existing files and works only while no process owns them: open, query, close.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read_only: bool = False,
        clock: Clock | None = None,
        progress: Progress = lambda *_: None,
    ) -> None:
        """``progress`` follows an upgrade of the store's conditions, if there has to be one."""
        clock = clock or SystemClock()
        self._database = DuckDatabase(folder, read_only=read_only)
        self.upgraded: UpgradeReport | None = None
        """What opening the store did to conditions of another version of the hub."""
        try:
            if read_only:
                refuse_outdated(self._database)
            else:
                self.upgraded = upgrade(self._database, clock, progress)
                _log_upgrade(self.upgraded)
            self._identity = str(self._database.rows("SELECT identity FROM registry.store_identity")[0][0])
            self._tables = tables = Tables(self._database, clock, CandleChanges())
            if not read_only:
                tables.bots.undo_unfinished()
        except BaseException:
            self._database.close()
            raise
        self.accounts, self.bots, self.cache, self.candles = tables.accounts, tables.bots, tables.cache, tables.candles
        self.delivery, self.live, self.registry, self.runs = tables.delivery, tables.live, tables.registry, tables.runs
        self.ticks, self.trials, self.triggers = tables.ticks, tables.trials, tables.triggers

    def identity(self) -> str:
        return self._identity

    def commit_problem(self) -> str | None:
        return self._database.commits.problem()

    def rebase(self, rebase: Rebase) -> int:
        return self._tables.rebase(rebase)

    def announce_upgrades(self) -> int:
        """Have owners of subscriptions told of upgrades that they have not been told of: after the triggers that there
        are, and before all others. Returns how many upgrades that were."""
        return self._tables.announce_upgrades()

    def backup(self, folder: str) -> Backup:
        return write_backup(self._database.copy_to, Path(folder))

    def trim(self, before_ms: int) -> int:
        removed = self._tables.trim(before_ms)
        self._database.checkpoint()
        return removed

    def check(self) -> list[Finding]:
        return check(self._database)

    def when_broken(self, tell: Callable[[StoreBroken], object]) -> None:
        """See :meth:`registry.store.protocol.OwnStore.when_broken`."""
        self._database.when_broken = tell

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _log_upgrade(report: UpgradeReport | None) -> None:
    if report is None or not (report.superseded or report.unreadable):
        return
    _log.warning(
        "this version of the hub computes or reads %d of %d conditions in another way: they have other ids, and %d "
        "subscriptions moved to those; %d conditions cannot be read any more. The way back is a backup from before",
        report.superseded,
        report.conditions,
        report.subscriptions,
        report.unreadable,
    )
