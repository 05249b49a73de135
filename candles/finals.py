"""The candles that an exchange pushes, and which of them are final, in the dialects of the exchanges that say so.

ccxt reads the candles of websockets, and drops whether they are final. A later candle proves that a slot is over, but
not that the last push before it was the slot's last; so websockets are used only where the exchange itself says so, and
all others are asked by REST (docs/decisions.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PushedCandle = tuple[str, str, Sequence[float], bool]
"""The exchange's id of the market, its word for the timeframe; open time, open, high, low, close, volume; and whether
they are final."""


@dataclass(frozen=True)
class Dialect:
    """How an exchange pushes candles."""

    pushed: Callable[[Mapping[str, Any]], Iterator[PushedCandle]]
    """Message -> the candles in it."""
    is_spot: Callable[[str], bool] | None = None
    """Address of a connection -> whether its markets are spot ones, where ids alone do not tell them from contracts."""
    most_at_once: int = 100
    """How many series one message may subscribe to."""


def _binance(message: Mapping[str, Any]) -> Iterator[PushedCandle]:
    kline = message.get("k") or {}
    if kline and message.get("e") == "kline":
        row = _row(kline["t"], *(kline[name] for name in "ohlcv"))
        yield kline["s"], kline["i"], row, bool(kline.get("x"))


def _okx(message: Mapping[str, Any]) -> Iterator[PushedCandle]:
    where = message.get("arg") or {}
    for row in message.get("data") or ():
        if len(row) > 8:
            yield where["instId"], where["channel"].removeprefix("candle"), _row(*row[:6]), row[8] == "1"


def _bybit(message: Mapping[str, Any]) -> Iterator[PushedCandle]:
    _, interval, market_id = message["topic"].split(".", 2)
    for kline in message.get("data") or ():
        names = ("open", "high", "low", "close", "volume")
        row = _row(kline["start"], *(kline[name] for name in names))
        yield market_id, interval, row, bool(kline.get("confirm"))


def _row(*fields: Any) -> tuple[float, ...]:
    return int(fields[0]), *map(float, fields[1:])


_DIALECTS = {
    "binance": Dialect(_binance, lambda url: "/stream" in url),
    "okx": Dialect(_okx),
    "bybit": Dialect(_bybit, lambda url: "spot" in url, most_at_once=10),
}
"""Class of ccxt -> its dialect, also for what derives from it, such as ``binanceusdm``."""


def dialect_of(api: object) -> Dialect | None:
    """How an exchange, ccxt's object of it, says what is final; ``None`` if it does not."""
    names = [kind.__name__ for kind in type(api).__mro__]
    return next((_DIALECTS[name] for name in names if name in _DIALECTS and hasattr(api, "handle_ohlcv")), None)
