"""The markets of the simulated exchange: a random walk that depends only on the symbol and the minute."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common.timeframes import DURATION_MS

_MINUTE, _DAY = DURATION_MS["1m"], DURATION_MS["1d"]
_MINUTES_A_DAY = _DAY // _MINUTE


@dataclass(frozen=True)
class Pair:
    """A market of the exchange. It has candles from ``listed_ms`` on and, if it was delisted, until ``delisted_ms``."""

    base: str
    quote: str = "USDT"
    listed_ms: int = 0
    delisted_ms: int | None = None
    tick_size: str = "0.01"
    lot_size: str = "0.00001"
    min_notional: str = "5"
    """Smallest price x quantity of an order, in quote."""
    min_size: str | None = None
    """Smallest quantity of an order; ``None``: one step."""


@dataclass(frozen=True)
class Candle:
    """One candle of any interval; ``closed`` is false while its slot is not over."""

    open_ms: int
    close_ms: int
    values: tuple[float, float, float, float, float]
    """Open, high, low, close, volume."""
    closed: bool


def values_between(symbol: str, start_ms: int, stop_ms: int) -> tuple[float, float, float, float, float]:
    """Open, high, low, close and volume of the minutes in a span, at least one."""
    first, last = start_ms // _MINUTE, max(start_ms // _MINUTE, (stop_ms - 1) // _MINUTE)
    days = range(first // _MINUTES_A_DAY, last // _MINUTES_A_DAY + 1)
    minutes = np.concatenate([_minutes(symbol, day) for day in days], axis=1)
    begin = first - days.start * _MINUTES_A_DAY
    opened, high, low, close, volume = minutes[:, begin : begin + last - first + 1]
    return float(opened[0]), float(high.max()), float(low.min()), float(close[-1]), round(float(volume.sum()), 5)


@lru_cache(maxsize=4096)
def _minutes(symbol: str, day: int) -> NDArray[np.float64]:
    """Open, high, low, close and volume of the minutes of a day since 1970: float64[5, 1440], rounded to cents."""
    dice = np.random.default_rng([day, *symbol.encode()])
    steps = dice.normal(0, 0.0008, _MINUTES_A_DAY)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    # A bridge: it ends where the next day begins.
    path += np.linspace(0, _level(symbol, day + 1) - _level(symbol, day) - path[-1], path.size)
    prices = np.exp(_level(symbol, day) + path)
    spread = np.abs(dice.normal(0, 0.0004, (2, _MINUTES_A_DAY)))
    opened, close = prices[:-1], prices[1:]
    high = np.maximum(opened, close) * (1 + spread[0])
    low = np.minimum(opened, close) * (1 - spread[1])
    volume = dice.gamma(2.0, 5.0, _MINUTES_A_DAY)
    return np.round(np.stack([opened, high, low, close, volume]), 2)


def _level(symbol: str, day: int) -> float:
    """The logarithm of a symbol's price at the start of a day."""
    phase = sum(symbol.encode())
    return math.log(50 + 37 * phase % 900) + 0.15 * math.sin(day / 9 + phase) + 0.05 * math.sin(day / 2.3 + 2 * phase)
