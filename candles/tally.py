"""What ingest has asked exchanges for and got, and what isolated bots would have asked: kept in a file of the data
folder, where the service reads it."""

import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from common.private_files import write_private

NAME = "ingest.json"


@dataclass
class ExchangeTally:
    """Sums of one exchange."""

    requests: int = 0
    """By REST, for whatever purpose."""
    pushed: int = 0
    """Final candles from websockets."""
    connections: int = 0
    """Websockets that were opened."""


@dataclass
class Tally:
    """Sums since the data folder's first ingest."""

    exchanges: dict[str, ExchangeTally] = field(default_factory=dict)
    isolated_requests: int = 0
    """Requests that bots without a hub would have made for the candles that were judged in time: one for each series of
    each subscribed bot's condition and each candle."""
    corrected: int = 0
    """Candles that came again with other values."""
    answered: int = 0
    """Requests that the hub answered in an exchange's place, from its own candles."""

    @property
    def requests(self) -> int:
        """Requests to all exchanges."""
        return sum(one.requests for one in self.exchanges.values())

    @classmethod
    def read(cls, folder: Path) -> "Tally | None":
        """The sums of a data folder, ``None`` where nothing was ever fetched."""
        try:
            return msgspec.json.decode((folder / NAME).read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError):
            return None

    @classmethod
    def add(cls, folder: Path, more: "Tally") -> None:
        """Add to the sums of a data folder, one process at a time: a tick in a process of its own fetches beside the
        worker. Whoever reads them gets the old ones or the new ones. Raises ``OSError``."""
        place = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX)
            sums = (cls.read(folder) or cls())._combined(more, 1)
            draft = folder / f".{NAME}.{os.getpid()}"
            write_private(draft, msgspec.json.encode(sums).decode())
            draft.replace(folder / NAME)
        finally:
            os.close(place)

    def since(self, earlier: "Tally") -> "Tally":
        """What came since earlier sums of the same counts."""
        return self._combined(earlier, -1)

    def _combined(self, other: "Tally", sign: int) -> "Tally":
        exchanges = dict(self.exchanges)
        for name, counts in other.exchanges.items():
            mine = exchanges.get(name, ExchangeTally())
            exchanges[name] = ExchangeTally(
                mine.requests + sign * counts.requests,
                mine.pushed + sign * counts.pushed,
                mine.connections + sign * counts.connections,
            )
        return Tally(
            exchanges,
            self.isolated_requests + sign * other.isolated_requests,
            self.corrected + sign * other.corrected,
            self.answered + sign * other.answered,
        )
