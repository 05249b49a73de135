"""What has been tried on a series: the distinct conditions that backtests and sweeps have judged on it.

The best of many tries looks good by chance, whether or not somebody says how many there were. So each backtest records
what it tries, and each report is deflated by all that is known: by name in this process or data folder, and as a bare
count in the store that the candles come from, where everybody's backtests and previews count.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol

from analysis.backtesting.sources import CandleSource, StoreSource, UrlSource
from common.errors import HubError, StoreNotWritable
from common.private_files import make_private_folder
from registry.conditions import Condition
from registry.groups import Series
from registry.store import open_store
from registry.store.protocol import Store
from registry.tried import digest_of, smallest

_MOST = 100_000
"""Conditions that are remembered for a series; more are only counted."""


_MOST_READ = 500
"""Earlier conditions that are read again to be judged."""


class TrialLedger(Protocol):
    """Remembers what was tried. ``marker`` tells the candles of a series from others of the same name."""

    def record(self, series: Series, marker: str, conditions: Iterable[Condition]) -> int:
        """Add conditions; returns how many distinct ones have been tried on those candles."""

    def tried(self, series: Series, marker: str) -> list[Condition]:
        """The distinct conditions that were tried, those of the last record last."""

    def ids(self, series: Series, marker: str) -> Iterable[str]:
        """The ids of the conditions that were tried and are remembered."""


class SessionTrials:
    """What this process has tried."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tried: dict[tuple[Series, str], dict[Condition, None]] = {}
        self._forgotten: dict[tuple[Series, str], int] = {}

    def record(self, series: Series, marker: str, conditions: Iterable[Condition]) -> int:
        key = series, marker
        with self._lock:
            known = self._tried.setdefault(key, {})
            for condition in conditions:
                known.pop(condition, None)
                known[condition] = None
            while len(known) > _MOST:
                del known[next(iter(known))]
                self._forgotten[key] = self._forgotten.get(key, 0) + 1
            return len(known) + self._forgotten.get(key, 0)

    def tried(self, series: Series, marker: str) -> list[Condition]:
        with self._lock:
            return list(self._tried.get((series, marker), ()))

    def ids(self, series: Series, marker: str) -> Iterable[str]:
        return [condition.id for condition in self.tried(series, marker)]


class FolderTrials:
    """What was tried with a data folder, by whatever process: a file for each series, to which lines are appended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, series: Series, marker: str, conditions: Iterable[Condition]) -> int:
        path = self._path(series, marker)
        known = set(_ids(path))
        fresh = {condition.id: condition for condition in conditions if condition.id not in known}
        if fresh:
            lines = "".join(f"{each.id} {each.canonical}\n" for each in fresh.values())
            try:
                make_private_folder(self._folder)
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(lines)
            except OSError as error:
                raise StoreNotWritable(
                    f"cannot write {path}: {error.strerror}; what is tried is counted there, so"
                    " set HUB_DATA_DIR to a writable folder"
                ) from error
        return len(known) + len(fresh)

    def tried(self, series: Series, marker: str) -> list[Condition]:
        conditions = dict.fromkeys(_ids(self._path(series, marker)).values())
        readable = []
        for canonical in list(conditions)[-_MOST_READ:]:
            try:
                readable.append(Condition.from_canonical(canonical))
            except HubError:
                # Tried with an older version of the language: it counts, and cannot be judged again.
                continue
        return readable

    def ids(self, series: Series, marker: str) -> Iterable[str]:
        return _ids(self._path(series, marker))

    def _path(self, series: Series, marker: str) -> Path:
        return self._folder / f"{sha256(f'{series} {marker}'.encode()).hexdigest()[:32]}.txt"


def _ids(path: Path) -> dict[str, str]:
    """Id -> canonical text, in the order in which they were tried."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    parted = [line.partition(" ") for line in lines]
    return {condition_id: canonical for condition_id, space, canonical in parted if space}


SESSION = SessionTrials()
"""The ledger of this process."""


@dataclass(frozen=True)
class SharedTrials:
    """A ledger, with what others have tried on the store that the candles come from: as a count, never by name."""

    own: TrialLedger
    source: CandleSource

    def record(self, series: Series, marker: str, conditions: Iterable[Condition]) -> int:
        count = self.own.record(series, marker, conditions)
        if isinstance(self.source, StoreSource):
            return max(count, self._recorded(self.source.store, series, marker))
        if isinstance(self.source, UrlSource):
            with open_store(self.source.url, token=self.source.token) as store:
                return max(count, self._recorded(store, series, marker))
        return count

    def tried(self, series: Series, marker: str) -> list[Condition]:
        return self.own.tried(series, marker)

    def ids(self, series: Series, marker: str) -> Iterable[str]:
        return self.own.ids(series, marker)

    def _recorded(self, store: Store, series: Series, marker: str) -> int:
        digests = smallest(digest_of(condition_id) for condition_id in self.own.ids(series, marker))
        try:
            return store.trials.record(series, digests)
        except StoreNotWritable:
            return store.trials.count(series, digests)
