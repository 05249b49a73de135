"""The store in files that this process owns."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from common.clock import Clock, SystemClock
from common.errors import StoreBroken
from registry.store.files.account_tables import AccountTables
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.backup import write_backup
from registry.store.files.cache_tables import CacheTables
from registry.store.files.candle_tables import CandleTables
from registry.store.files.database import Database
from registry.store.files.delivery_tables import DeliveryTables
from registry.store.files.integrity import check
from registry.store.files.registry_tables import RegistryTables
from registry.store.files.tick_tables import TickTables
from registry.store.files.trigger_tables import TriggerTables
from registry.store.files.watermarks import Watermarks
from registry.store.parts.ticks import Rebase
from registry.store.protocol import Backup, Finding


class FileStore:
    """Implements :class:`registry.store.protocol.Store` over two DuckDB files in ``folder``.

    One process owns the files; in a second one, :class:`common.errors.StoreLocked` names the first.
    ``read_only`` needs existing files and works only while no process owns them: open, query, close.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._database = Database(folder, read_only=read_only)
        try:
            self._identity = str(self._database.rows("SELECT identity FROM registry.store_identity")[0][0])
            watermarks = Watermarks(self._database)
            activity = ActivityTables(self._database, watermarks)
            self.triggers = TriggerTables(self._database, clock)
            self.ticks = TickTables(self._database, clock, watermarks, self.triggers, activity.begun_after)
            self.candles = CandleTables(self._database, clock, self.ticks.judged, self.ticks.anchored_grids)
            self.cache = CacheTables(self._database, clock)
            self.accounts = AccountTables(self._database, clock)
            self.delivery = DeliveryTables(self._database, clock)
            self.registry = RegistryTables(self._database, clock, self.candles.directory, activity)
        except BaseException:
            self._database.close()
            raise

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

    def backup(self, folder: str) -> Backup:
        return write_backup(self._database, Path(folder))

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
