"""What is said in Binance's dialect: intervals, candles, errors, symbols. The words are those of its spot API, v3.

The hub knows open, high, low, close and volume; what else Binance puts into a candle (quote volume, trades, the takers'
share) is 0 here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from common.errors import HubError

NAME = "BINANCE"
"""The exchange whose markets are read."""
ADDRESS = "https://api.binance.com"
"""Its own address."""
_SAME = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
INTERVALS: Mapping[str, str] = {**dict(zip(_SAME, _SAME, strict=True)), "1M": "1mo"}
"""Binance's word for a timeframe -> ours, the shortest first."""
INTERVAL_OF: Mapping[str, str] = {name: word for word, name in INTERVALS.items()}

BAD_REQUEST, TOO_MANY, UNAVAILABLE, UNAUTHORIZED = -1100, -1003, -1001, -1002
NO_SYMBOL, NO_INTERVAL, NO_PARAMETER = -1121, -1120, -1102


class DialectError(HubError):
    """A request that is refused, in Binance's words."""

    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    @property
    def body(self) -> bytes:
        """``{"code": -1121, "msg": "Invalid symbol."}``"""
        return msgspec.json.encode({"code": self.code, "msg": str(self)})


class AskedElsewhere(HubError):
    """A request that the exchange itself has to answer; its client is sent there."""


def number(value: float) -> str:
    """A number as Binance writes it: decimal, without an exponent."""
    text = repr(float(value))
    return format(Decimal(text), "f") if "e" in text else text


def candle_row(open_ms: int, close_ms: int, values: Sequence[float]) -> bytes:
    """A candle of ``/api/v3/klines``; ``values`` are open, high, low, close, volume."""
    prices = ",".join(f'"{number(value)}"' for value in values)
    return f'[{open_ms},{prices},{close_ms - 1},"0",0,"0","0","0"]'.encode()


def candle_message(
    symbol: str, interval: str, now_ms: int, open_ms: int, close_ms: int, values: Sequence[float], *, is_final: bool
) -> bytes:
    """A candle as a stream pushes it; ``x`` says whether it is final."""
    names = dict(zip("ohlcv", map(number, values), strict=True))
    kline = {
        "t": open_ms, "T": close_ms - 1, "s": symbol, "i": interval, "f": -1, "L": -1, **names, "n": 0, "x": is_final,
        "q": "0", "V": "0", "Q": "0", "B": "0",
    }  # fmt: skip
    return msgspec.json.encode({"e": "kline", "E": now_ms, "s": symbol, "k": kline})


def exchange_info(listings: Iterable[Mapping[str, Any]], now_ms: int, weight_limit: int, weight_seconds: int) -> bytes:
    """The answer of ``/api/v3/exchangeInfo`` with what the exchange said of its markets, and this hub's own limit."""
    minutes = max(1, math.ceil(weight_seconds / 60))
    limit = {
        "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": minutes, "limit": weight_limit,
    }  # fmt: skip
    return msgspec.json.encode(
        {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": [limit],
            "exchangeFilters": [],
            "symbols": list(listings),
        }
    )


def wanted_symbols(query: Mapping[str, str]) -> list[str] | None:
    """The symbols that a request names, ``None`` for all. Raises :class:`DialectError`."""
    if "symbol" in query:
        return [query["symbol"]]
    if "symbols" not in query:
        return None
    try:
        return msgspec.json.decode(query["symbols"], type=list[str])
    except msgspec.MsgspecError:
        raise DialectError(
            400, BAD_REQUEST, 'symbols is no list of symbols; write symbols=["BTCUSDT","ETHUSDT"]'
        ) from None


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a number of at most 16 digits. Raises :class:`DialectError`."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise DialectError(400, BAD_REQUEST, f"Illegal characters found in parameter '{name}'; write a whole number.")
    return int(text)


def interval_of(query: Mapping[str, str]) -> str:
    """The timeframe that a request names. Raises :class:`DialectError`."""
    word = query.get("interval")
    if word is None:
        raise missing("interval")
    if word not in INTERVALS:
        raise DialectError(400, NO_INTERVAL, f"Invalid interval; the hub has {' '.join(INTERVALS)}.")
    return INTERVALS[word]


def missing(name: str) -> DialectError:
    """A parameter is missing."""
    return DialectError(400, NO_PARAMETER, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
