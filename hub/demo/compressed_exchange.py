"""A simulated exchange on which an hour of trading takes a minute, so that a market can be watched."""

from dataclasses import dataclass

from common.slots import slots_of
from common.timeframes import DURATION_MS
from hub.demo.simulated_exchange import SimulatedExchange
from hub.demo.simulated_market import Candle, Pair

_MINUTE, _HOUR = DURATION_MS["1m"], DURATION_MS["1h"]
_FACTOR = _HOUR // _MINUTE


@dataclass
class CompressedExchange(SimulatedExchange):
    """Its minutes are hours of a :class:`SimulatedExchange` whose clock runs sixty times as fast, and agree with real
    time at ``origin_ms``, which has to begin an hour. Longer candles are made of its minutes."""

    origin_ms: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._market = SimulatedExchange(self.pairs, lambda: self._stretched(self.now_ms()))

    def candles(self, pair: Pair, timeframe: str, start_ms: int, stop_ms: int) -> list[Candle]:
        """Candles with ``start <= open_time < stop``, oldest first, the open one included."""
        slots, now_ms = slots_of(timeframe), self.now_ms()
        made = []
        for open_ms in slots.between(start_ms, min(stop_ms, now_ms)).tolist() if stop_ms > start_ms else []:
            close_ms = slots.close(slots.number(open_ms))
            minutes = self._market.candles(pair, "1h", self._stretched(open_ms), self._stretched(close_ms))
            opened, high, low, closed, volume = zip(*(minute.values for minute in minutes), strict=True)
            values = opened[0], max(high), min(low), closed[-1], round(sum(volume), 5)
            made.append(Candle(open_ms, close_ms, values, close_ms <= now_ms))
        return made

    def _stretched(self, time_ms: int) -> int:
        return self.origin_ms + _FACTOR * (time_ms - self.origin_ms)
