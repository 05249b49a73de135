"""The tables of a store, made for one database, and what concerns several of them."""

from collections.abc import Mapping

from common.clock import Clock
from registry.store.files.account_tables import AccountTables
from registry.store.files.activity_tables import ActivityTables
from registry.store.files.bot_tables import BotTables
from registry.store.files.cache_tables import CacheTables
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.candle_tables import CandleTables
from registry.store.files.delivery_tables import DeliveryTables
from registry.store.files.live_memory import LiveMemory
from registry.store.files.registry_tables import RegistryTables
from registry.store.files.run_tables import RunTables
from registry.store.files.tick_tables import TickTables
from registry.store.files.trial_tables import TrialTables
from registry.store.files.trigger_tables import TriggerTables
from registry.store.files.watermarks import Watermarks
from registry.store.parts.ticks import Rebase
from registry.store.sql import Database


class Tables:
    """Every part of :class:`registry.store.protocol.Store`, over one database."""

    def __init__(self, database: Database, clock: Clock, candle_changes: CandleChanges) -> None:
        self._database = database
        self.watermarks = Watermarks(database)
        activity = ActivityTables(database, self.watermarks)
        self.runs = RunTables(database)
        self.trials = TrialTables(database)
        self.triggers = TriggerTables(database, clock)
        self.ticks = TickTables(
            database, clock, self.watermarks, self.triggers, activity.begun_after, self._registered, candle_changes
        )
        self.candles = CandleTables(database, clock, self.ticks.judged, self.ticks.anchored_grids, candle_changes)
        self.cache = CacheTables(database, clock)
        self.live = LiveMemory()
        self.accounts = AccountTables(database, clock)
        self.delivery = DeliveryTables(database, clock)
        self.registry = RegistryTables(
            database,
            clock,
            self.candles.directory,
            activity,
            self.watermarks,
            self.triggers,
            self.candles.calendars,
        )
        self.bots = BotTables(database, clock, self.registry)

    def rebase(self, rebase: Rebase) -> int:
        """See :meth:`registry.store.protocol.Store.rebase`."""
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

    def trim(self, before_ms: int) -> int:
        """See :meth:`registry.store.protocol.Store.trim`."""
        removed = self.watermarks.trim() + self.delivery.trim() + self.runs.trim(before_ms) + self.bots.trim()
        return removed + self.trials.trim()

    def _registered(self) -> Mapping[str, int]:
        return self.registry.totals()

    def _skip_number(self) -> int:
        """Use up the next number of the triggers: none will have it."""
        number = self.triggers.last_seq() + 1
        self.triggers.raise_floor(number)
        return number
