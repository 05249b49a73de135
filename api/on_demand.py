"""Judging candles on demand: what a condition is now, why it did not fire, when it would have fired."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from analysis.explain import Explanation, explain
from analysis.now import present
from analysis.preview import Preview, preview
from analysis.standing import Standing, standing_of
from api.bodies.answers import NowAnswer
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.timeframes import DURATION_MS
from registry.conditions import Condition
from registry.store.protocol import Store

_READER_S = 2.0
"""How long a look at which series there are is used."""
_KEPT = 20_000
"""Truths that are remembered: one is a few hundred bytes."""


class Judging:
    """Slow work on the candles of one condition; called from threads. Truths are remembered until candles come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._truths: OrderedDict[Hashable, NowAnswer] = OrderedDict()
        self._lock = Lock()
        self._reader = SeriesReader.of(store)
        self._reader_until = 0.0
        self._settled: dict[str, tuple[int | None]] = {}
        """Condition -> :meth:`settled_at`, as long as the reader is used."""

    def reader(self) -> SeriesReader:
        """A look at the series, at most a moment old."""
        if time.monotonic() > self._reader_until:
            self._reader, self._reader_until = SeriesReader.of(self._store), time.monotonic() + _READER_S
            self._settled = {}
        return self._reader

    def known_settled_at(self, condition_id: str) -> tuple[int | None] | None:
        """What :meth:`settled_at` found a moment ago, ``None`` if nobody asked."""
        return self._settled.get(condition_id) if time.monotonic() <= self._reader_until else None

    def settled_at(self, condition: Condition) -> int | None:
        """Close time from which the indicators have settled, ``None`` while a series has no candles."""
        reader, known = self.reader(), self._settled
        if condition.id not in known:
            known[condition.id] = (self._settled_at(condition, reader),)
        return known[condition.id][0]

    def _settled_at(self, condition: Condition, reader: SeriesReader) -> int | None:
        anchors = self._store.ticks.anchors()
        times = []
        for series, needed in condition.needed.items():
            first = anchors.get(series)
            if first is None:
                first = reader.first(series)
            if first is None:
                return None
            times.append(first + max(needed.settle, needed.lookback + 1) * DURATION_MS[series.timeframe])
        return max(times)

    def now(self, condition: Condition) -> NowAnswer:
        """What a condition is on the newest candle."""
        key = (condition.id, self._state_of(condition))
        with self._lock:
            held = self._truths.get(key)
        if held is not None:
            return held
        histories = Epochs(self._store).up_to(condition, None)
        found = present(condition, histories, self._store.candles.calendars())
        if found is None:
            answer = NowAnswer(truth="UNKNOWN", since=None, close_time=None, price=None, values={}, settled=None)
        else:
            answer = NowAnswer(
                truth=found.truth,
                since=found.since_ms,
                close_time=found.close_ms,
                price=found.price,
                values=dict(found.values),
                settled=found.settled,
            )
        with self._lock:
            self._truths[key] = answer
            if len(self._truths) > _KEPT:
                self._truths.popitem(last=False)
        return answer

    def explain(self, condition: Condition, at_ms: int | None) -> tuple[Explanation, Standing]:
        """Why it fires on the last candle closed by a time, or why not; and where it stands in the hub."""
        histories = Epochs(self._store).up_to(condition, at_ms)
        found = explain(condition, histories, self._store.candles.calendars(), at_ms=at_ms)
        return found, standing_of(self._store, condition, found.close_ms)

    def preview(self, condition: Condition, start_ms: int | None, end_ms: int | None) -> Preview:
        """When it would have fired."""
        histories = Epochs(self._store).up_to(condition, None)
        return preview(condition, histories, self._store.candles.calendars(), start_ms=start_ms, end_ms=end_ms)

    def _state_of(self, condition: Condition) -> Hashable:
        """Equal as long as nothing has come that could change the truth."""
        reader = self.reader()
        stored = [reader.stored(series) for series in condition.all_series]
        return self._store.candles.version(stored), self._store.ticks.last_rebase()
