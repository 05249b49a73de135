"""A store that fires as a test wants, and its log on a real server."""

from events.log import RedisEventLog
from events.publisher import drain
from registry.store.file_store import FileStore
from tests.registry.test_store_ticks import BTC, HOUR, tick


class Firing:
    """Each tick fires the first so many conditions; ``log`` is told by :meth:`publish`."""

    def __init__(self, store: FileStore, log: RedisEventLog) -> None:
        self.store = store
        self.log = log
        self.ticks = 0

    def fire(self, count: int) -> None:
        """Record a tick."""
        before = self.ticks * HOUR or None
        self.ticks += 1
        self.store.ticks.record_tick(tick(self.ticks * HOUR, (BTC, before), triggers=count))

    def publish(self, count: int) -> int:
        """Record a tick and publish what the log lacks; how much that was."""
        self.fire(count)
        return drain(self.store, self.log)

    def log_is_whole(self) -> bool:
        """Whether the log holds exactly the store's triggers, in their order."""
        held = [(entry.seq, entry.event.trigger_id) for entry in self.log.read(0, 1_000_000)]
        rows = self.store.ticks.triggers_after(0, 1_000_000)
        return held == list(zip(rows["seq"], rows["trigger_id"], strict=True))


def condition(number: int) -> str:
    """The id of a condition that fires; they count from 0."""
    return f"{number:032x}"
