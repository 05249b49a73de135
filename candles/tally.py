"""What ingest has asked exchanges for and got, and what isolated bots would have asked: kept in a file of the data
folder, where the service reads it."""

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

    def write(self, folder: Path) -> None:
        """Keep the sums; whoever reads them gets the old ones or these."""
        draft = folder / f".{NAME}.{os.getpid()}"
        write_private(draft, msgspec.json.encode(self).decode())
        draft.replace(folder / NAME)
