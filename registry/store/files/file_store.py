"""The store in files that this process owns."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from common.clock import Clock, SystemClock
from common.errors import StoreBroken
from registry.store.files.account_tables import AccountTables
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.backup import write_backup
from registry.store.files.bot_tables import BotTables
from registry.store.files.cache_tables import CacheTables
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.candle_tables import CandleTables
from registry.store.files.database import Database
from registry.store.files.delivery_tables import DeliveryTables
from registry.store.files.integrity import check
from registry.store.files.live_memory import LiveMemory
from registry.store.files.registry_tables import RegistryTables
from registry.store.files.run_tables import RunTables
from registry.store.files.tick_tables import TickTables
from registry.store.files.trial_tables import TrialTables
from registry.store.files.trigger_tables import TriggerTables
from registry.store.files.upgrade import Progress, UpgradeReport, refuse_outdated, upgrade
from registry.store.files.watermarks import Watermarks
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
        self._database = Database(folder, read_only=read_only)
        self.upgraded: UpgradeReport | None = None
        """What opening the store did to conditions of another version of the hub."""
        try:
            if read_only:
                refuse_outdated(self._database)
            else:
                self.upgraded = upgrade(self._database, clock, progress)
                _log_upgrade(self.upgraded)
            self._identity = str(self._database.rows("SELECT identity FROM registry.store_identity")[0][0])
            self._watermarks = watermarks = Watermarks(self._database)
            activity = ActivityTables(self._database, watermarks)
            candle_changes = CandleChanges()
            self.runs = RunTables(self._database)
            self.trials = TrialTables(self._database)
            self.triggers = TriggerTables(self._database, clock)
            self.ticks = TickTables(
                self._database,
                clock,
                watermarks,
                self.triggers,
                activity.begun_after,
                self._registered,
                candle_changes,
            )
            self.candles = CandleTables(
                self._database, clock, self.ticks.judged, self.ticks.anchored_grids, candle_changes
            )
            self.cache = CacheTables(self._database, clock)
            self.live = LiveMemory()
            self.accounts = AccountTables(self._database, clock)
            self.delivery = DeliveryTables(self._database, clock)
            self.registry = RegistryTables(
                self._database,
                clock,
                self.candles.directory,
                activity,
                watermarks,
                self.triggers,
                self.candles.calendars,
            )
            self.bots = BotTables(self._database, clock, self.registry)
        except BaseException:
            self._database.close()
            raise

    def _registered(self) -> Mapping[str, int]:
        return self.registry.totals()

    def identity(self) -> str:
        return self._identity

    def commit_problem(self) -> str | None:
        return self._database.commits.problem()

    def rebase(self, rebase: Rebase) -> int:
        # Anchors first: if the process ends between the two transactions, the new anchors refer to the candles as they
        # were, and the revisions are still there for another rebase. Readers see the anchors last, so that no tick from
        # before the rebase gets in.
        with self._database.alone(), self.ticks.rebasing(rebase) as number:
            return self.candles.take_revisions(rebase.stored, number)

    def announce_upgrades(self) -> int:
        """Have owners of subscriptions told of upgrades that they have not been told of: after the triggers that there
        are, and before all others. Returns how many upgrades that were."""
        with self._database.alone():
            return self.registry.announce_upgrades(self._skip_number)

    def _skip_number(self) -> int:
        """Use up the next number of the triggers: none will have it."""
        number = self.triggers.last_seq() + 1
        self.triggers.raise_floor(number)
        return number

    def backup(self, folder: str) -> Backup:
        return write_backup(self._database, Path(folder))

    def trim(self, before_ms: int) -> int:
        removed = self._watermarks.trim() + self.delivery.trim() + self.runs.trim(before_ms) + self.bots.trim()
        removed += self.trials.trim()
        self._database.checkpoint()
        return removed

    def check(self) -> list[Finding]:
        return check(self._database)

    def when_broken(self, tell: Callable[[StoreBroken], object]) -> None:
        """Have ``tell`` called, from any thread and perhaps more than once, when the files can only be opened again."""
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
