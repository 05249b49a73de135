"""Judging candles on demand: what a condition is now, why it did not fire, when it would have fired."""

import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cachetools import LRUCache, cachedmethod

from analysis.backtesting.backtest import backtest as run_backtest
from analysis.backtesting.report import Report
from analysis.backtesting.trials import TrialLedger
from analysis.explain import explain
from analysis.kept_series import KeptSeries, sources_of
from analysis.now import current_truth
from analysis.preview import PreviewScan, preview, preview_of_stretches, previewed_span
from analysis.standing import Standing, standing_of
from analysis.work import check_explanation, check_preview
from api.bodies.answers import Data
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.errors import CandlesMissing
from condition_hub.explanation import CandleExplanation, Now
from registry.conditions import Condition
from registry.groups import Series
from registry.store.protocol import Store

_READER_S = 2.0
"""How long a reader of the series, and everything looked up with it, is used."""
_SINCE_VALUES = 200_000_000
"""How far back the beginning of a truth is looked for, in candles times operands: a few seconds."""
_TRUTHS_BYTES = 16 * 1024 * 1024
"""A truth takes a few hundred bytes, and a hundred more for each value that it names."""


@dataclass(frozen=True)
class Settling:
    """Whether all series of a condition have candles, and the close time from which its indicators have settled;
    ``None`` while candles are missing, and where it is not known that they ever do."""

    data: Data
    at_ms: int | None


class OnDemand:
    """Slow work on the candles of one condition; called from threads.

    Truths are cached until new candles arrive, candles and indicators of previews as long as there is room for them.
    """

    def __init__(self, store: Store, *, most_values: int, kept_bytes: int) -> None:
        """``most_values`` is how many values, candles times operands, one explanation or preview may compute,
        ``kept_bytes`` how much memory candles and indicators take that are kept for the next preview."""
        self._store = store
        self._most_values = most_values
        self._kept = KeptSeries(kept_bytes)
        self._truths: LRUCache[Hashable, Now] = LRUCache(_TRUTHS_BYTES, _memory_of)
        self._lock = Lock()
        self._reader = SeriesReader.of(store)
        self._reader_until = 0.0
        self._settling: dict[str, Settling] = {}
        """By condition, for as long as the reader is used."""

    def reader(self) -> SeriesReader:
        """A reader of the series that is at most a moment old."""
        if time.monotonic() > self._reader_until:
            self._reader, self._reader_until = SeriesReader.of(self._store), time.monotonic() + _READER_S
            self._settling = {}
        return self._reader

    def known_settling(self, condition_id: str) -> Settling | None:
        """The result of a recent :meth:`settling`; ``None`` if there was no recent call."""
        return self._settling.get(condition_id) if time.monotonic() <= self._reader_until else None

    def settling(self, condition: Condition) -> Settling:
        """Whether the series of a condition have candles, and when its indicators will have settled."""
        reader, known = self.reader(), self._settling
        if condition.id not in known:
            known[condition.id] = self._settling_of(condition, reader)
        return known[condition.id]

    def with_candles(self, conditions: Iterable[Condition]) -> set[str]:
        """The ids of the conditions whose series all have candles."""
        reader = self.reader()
        exist: dict[tuple[Series, ...], bool] = {}
        ready: set[str] = set()
        for one in conditions:
            needed = one.all_series
            if needed not in exist:
                exist[needed] = all(map(reader.exists, needed))
            if exist[needed]:
                ready.add(one.id)
        return ready

    def _settling_of(self, condition: Condition, reader: SeriesReader) -> Settling:
        anchors = self._store.ticks.anchors()
        times: list[int | None] = []
        for series, needed in condition.needed.items():
            first = anchors.get(series)
            if first is None:
                first = reader.first(series)
            if first is None:
                return Settling("missing", None)
            settled, slots = needed.settled_after, reader.calendar(series).slots
            last = None if settled is None else slots.number(first) + max(settled, needed.lookback + 1) - 1
            times.append(None if last is None else slots.close(last))
        known = [time_ms for time_ms in times if time_ms is not None]
        return Settling("ready", max(known) if len(known) == len(times) else None)

    def _state_of(self, condition: Condition) -> Hashable:
        """Changes with everything that could change the condition's truth."""
        reader = self.reader()
        stored = [reader.stored(series) for series in condition.all_series]
        grids = tuple(map(reader.calendars.grid, condition.all_series))
        return condition.id, self._store.candles.version(stored), self._store.ticks.last_rebase(), grids

    @cachedmethod(lambda self: self._truths, key=_state_of, lock=lambda self: self._lock)
    def now(self, condition: Condition) -> Now:
        """What a condition is on the newest candle."""
        epochs = Epochs(self._store)
        histories, calendars = epochs.up_to(condition, None), epochs.calendars(condition, None)
        most_values = min(self._most_values, _SINCE_VALUES)
        current = current_truth(condition, histories, calendars, most_values=most_values)
        if current is None:
            return Now(truth="UNKNOWN", since=None, close_time=None, price=None, values={}, settled=None)
        return Now(
            truth=current.truth,
            since=current.since_ms,
            close_time=current.close_ms,
            price=current.price,
            values=dict(current.values),
            settled=current.settled,
        )

    def explain(self, condition: Condition, at_ms: int | None) -> tuple[CandleExplanation, Standing]:
        """Why it fires on the last candle closed by a time, or why not; and its standing in the hub.

        Raises :class:`common.errors.CandlesMissing` and :class:`common.errors.TooMuchWork`.
        """
        epochs = Epochs(self._store)
        histories, calendars = epochs.up_to(condition, at_ms), epochs.calendars(condition, at_ms)
        if all(series in histories for series in condition.all_series):
            check_explanation(condition, histories, self._most_values)
        explanation = explain(condition, histories, calendars, at_ms=at_ms)
        return explanation, standing_of(self._store, condition, explanation.close_time)

    def preview(self, condition: Condition, start_ms: int | None, end_ms: int | None) -> PreviewScan:
        """When it would have fired.

        Raises :class:`common.errors.CandlesMissing` and :class:`common.errors.TooMuchWork`.
        """
        epochs = Epochs(self._store)
        histories, calendars = epochs.up_to(condition, None), epochs.calendars(condition, None)
        if all(series in histories for series in condition.all_series):
            start_ms, end_ms = previewed_span(condition, histories, start_ms, end_ms, calendars)
            check_preview(condition, histories, self._most_values, start_ms=start_ms, end_ms=end_ms)
            stretches = self._kept.stretches(
                condition, sources_of(self._store, SeriesReader.of(self._store), condition)
            )
            if stretches is not None:
                return preview_of_stretches(condition, stretches, start_ms=start_ms, end_ms=end_ms)
        return preview(condition, histories, calendars, start_ms=start_ms, end_ms=end_ms)

    def backtest(
        self,
        condition: Condition,
        exit_condition: Condition | None,
        span_ms: tuple[int | None, int | None],
        rules: Mapping[str, Any],
        trials: TrialLedger,
    ) -> Report:
        """What it would have done. ``span_ms`` is as for a preview, ``rules`` are arguments of
        :func:`analysis.backtest`.

        Raises :class:`common.errors.BacktestError`, :class:`common.errors.CandlesMissing` and
        :class:`common.errors.TooMuchWork`.
        """
        epochs = Epochs(self._store)
        start_ms, end_ms = span_ms
        for each in (condition, exit_condition):
            if each is None:
                continue
            histories, calendars = epochs.up_to(each, None), epochs.calendars(each, None)
            if missing := [series for series in each.all_series if series not in histories]:
                raise CandlesMissing(f"no candles of {', '.join(missing)}; they must be imported before a backtest")
            start_ms, end_ms = previewed_span(each, histories, start_ms, end_ms, calendars)
            check_preview(each, histories, self._most_values, start_ms=0, end_ms=end_ms)
        return run_backtest(
            condition, self._store, exit=exit_condition, start=start_ms, end=end_ms, trials=trials, **rules
        )


def _memory_of(now: Now) -> int:
    return 700 + sum(100 + len(name) for name in now.values)
