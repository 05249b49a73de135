"""What has been tried on a series: the distinct conditions that backtests and sweeps have judged on it.

The best of many tries looks good by chance, whether or not somebody says how many there were. So each backtest records
what it tries, and each report is deflated by all that is known.
"""

from collections.abc import Iterable
from threading import Lock
from typing import Protocol

from registry.conditions import Condition
from registry.groups import Series

_MOST = 100_000
"""Conditions that are remembered for a series; more are only counted."""


class TrialLedger(Protocol):
    """Remembers what was tried. ``marker`` tells the candles of a series from others of the same name."""

    def record(self, series: Series, marker: str, conditions: Iterable[Condition]) -> int:
        """Add conditions; returns how many distinct ones have been tried on those candles."""

    def tried(self, series: Series, marker: str) -> list[Condition]:
        """The distinct conditions that were tried, those of the last record last."""


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


SESSION = SessionTrials()
"""The ledger of this process."""
