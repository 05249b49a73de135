"""The candles that a tick reads, each slot loaded once."""

import time
from collections.abc import Iterable

from candles.series import SeriesReader
from common.candle_columns import VALUES
from engine.part import SlotCandles
from registry.groups import Series


class TickCandles:
    """Candles of the slots that parts ask for, of all ``series`` at once; ``load_us`` is the time that loading took."""

    def __init__(self, reader: SeriesReader, series: Iterable[Series]) -> None:
        self._reader = reader
        self._series = set(series)
        self._slots: dict[tuple[str, int], tuple[SlotCandles, SlotCandles]] = {}
        """(timeframe, open time) -> all candles, complete candles."""
        self.load_us = 0

    def load(self, timeframe: str, open_ms: int) -> SlotCandles:
        """All candles of a slot, including built ones with missing sub-candles."""
        return self._load(timeframe, open_ms)[0]

    def load_complete(self, timeframe: str, open_ms: int) -> SlotCandles:
        """The candles of a slot, except built ones with missing sub-candles."""
        return self._load(timeframe, open_ms)[1]

    def _load(self, timeframe: str, open_ms: int) -> tuple[SlotCandles, SlotCandles]:
        key = (timeframe, open_ms)
        if key not in self._slots:
            started = time.perf_counter_ns()
            rows = self._reader.at(timeframe, open_ms, self._series)
            candles = dict(zip(rows["series"], rows.select(VALUES).rows(), strict=True))
            partial = set(rows.filter("partial")["series"])
            complete = {series: values for series, values in candles.items() if series not in partial}
            self._slots[key] = candles, complete
            self.load_us += (time.perf_counter_ns() - started) // 1000
        return self._slots[key]
