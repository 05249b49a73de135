"""Demands and states of series, in the owner's memory."""

import threading
from collections.abc import Callable, Sequence
from time import monotonic as system_monotonic

from common.errors import DemandRefused
from registry.groups import Series
from registry.store.parts.live import Demands, SeriesDemand, SeriesState

MOST_SERIES = 1_000
"""Websockets of exchanges take about as many subscriptions; the next series would have to be asked for again and
again."""
_LASTS_S = 24 * 3600.0
_SILENT_S = 10.0
"""Ingest that has said nothing for so long is not there."""


class LiveMemory:
    """Implements :class:`registry.store.parts.live.LiveStore`."""

    def __init__(self, monotonic: Callable[[], float] = system_monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._exchanges: dict[str, float] = {}
        """Exchange -> when it was demanded last."""
        self._series: dict[Series, tuple[int, float]] = {}
        """Series -> the earliest time that was demanded, and when it was demanded last."""
        self._version = 0
        self._states: dict[Series, SeriesState] = {}
        self._reported_s: float | None = None

    def demand(self, demands: Demands) -> None:
        now_s = self._monotonic()
        with self._lock:
            self._forget(now_s)
            fresh = {each.series for each in demands.series} - self._series.keys()
            if fresh and len(self._series) + len(fresh) > MOST_SERIES:
                raise DemandRefused(
                    f"{len(self._series)} series are read through the hub, and {MOST_SERIES} are the most; ask the"
                    f" exchange itself for {min(fresh)}"
                )
            for exchange in demands.exchanges:
                self._version += exchange not in self._exchanges
                self._exchanges[exchange] = now_s
            for each in demands.series:
                since_ms, _ = self._series.get(each.series, (None, 0.0))
                if since_ms is None or each.since_ms < since_ms:
                    self._version += 1
                    since_ms = each.since_ms
                self._series[each.series] = since_ms, now_s

    def demands(self) -> Demands:
        with self._lock:
            self._forget(self._monotonic())
            series = (SeriesDemand(each, since_ms) for each, (since_ms, _) in sorted(self._series.items()))
            return Demands(tuple(sorted(self._exchanges)), tuple(series))

    def version(self) -> int:
        return self._version

    def report(self, states: Sequence[SeriesState]) -> None:
        with self._lock:
            self._reported_s = self._monotonic()
            self._states |= {state.series: state for state in states if state.series in self._series}

    def state(self, series: Series) -> SeriesState | None:
        return self._states.get(series) if self.is_followed() else None

    def states(self) -> list[SeriesState]:
        with self._lock:
            return list(self._states.values()) if self.is_followed() else []

    def is_followed(self) -> bool:
        return self._reported_s is not None and self._monotonic() - self._reported_s < _SILENT_S

    def _forget(self, now_s: float) -> None:
        for exchange in [name for name, at_s in self._exchanges.items() if now_s - at_s > _LASTS_S]:
            del self._exchanges[exchange]
        for series in [name for name, (_, at_s) in self._series.items() if now_s - at_s > _LASTS_S]:
            del self._series[series]
            self._states.pop(series, None)
