"""What a column's name says of its part in a candle, by the words in it, whoever wrote the file.

Open Time   open_time   <DATE>   Timestamp   time_period_start   window_start      when the candle opened
Open   o   1. open   open_price   PRICE_OPEN   Open (USD)   Close/Last              a price
Volume   v   Volume BTC   Volume_(BTC)   base_volume   TICKVOL                      a volume
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

ColumnPart = Literal[
    "time", "close_time", "clock", "open", "high", "low", "close", "volume", "tick_volume", "quote_volume", "up_volume",
    "down_volume", "closed", "exchange", "symbol", "timeframe",
]  # fmt: skip
"""The part of a column: ``time`` is when a candle opened, or the date of it; ``clock`` the time of day beside it;
``closed`` whether the candle is final; ``up_volume`` and ``down_volume`` are what was traded at rising and at falling
prices."""


@dataclass(frozen=True, order=True)
class ColumnMeaning:
    """A column's part as its name tells it; of several columns with one part, the lowest ``rank`` is meant."""

    rank: int
    role: ColumnPart


_PRICES: dict[ColumnPart, frozenset[str]] = {
    "open": frozenset({"open", "o", "opening"}),
    "high": frozenset({"high", "h", "highest", "max"}),
    "low": frozenset({"low", "l", "lowest", "min"}),
    "close": frozenset({"close", "c", "closing", "last"}),
}
_EITHER = frozenset().union(*_PRICES.values())
_BESIDE_PRICES = frozenset({"price", "px", "rate", "trade", "mid", "value"})
_NOT_PRICES = frozenset(
    {
        "interest", "int", "change", "changed", "chg", "pct", "percent", "prev", "previous", "vwap", "avg", "average",
        "mean", "weighted", "volume", "vol", "volumes", "count", "trades", "tick", "ticks", "taker", "buy", "sell",
        "spread", "ma", "ema", "sma", "rsi", "turnover", "amount", "quantity", "qty", "ratio", "return", "returns",
        "is", "oi",
    }
)  # fmt: skip
_TIMES = frozenset(
    {"time", "timestamp", "date", "datetime", "ts", "unix", "mts", "epoch", "utc", "gmt", "t", "yyyymmdd", "dtyyyymmdd"}
)
_STARTS = frozenset({"start", "begin", "beginning", "window"})
_NO_TIMES = frozenset({"high", "low"})
"""``timeHigh`` is when the high was, not when the candle opened."""
_ENDS = frozenset({"end", "close", "closing", "closed", "until", "stop"})
_OF_OTHERS = frozenset(
    {"local", "server", "received", "created", "updated", "origin", "exchange", "converted", "trade"}
)
_VOLUMES = frozenset({"volume", "vol", "v", "volumes", "qty", "quantity", "amount"})
_QUOTED = frozenset({"quote", "quoted", "currency", "ccy", "turnover", "notional", "value", "money", "fiat"})
_QUOTE_UNITS = frozenset({"usd", "usdt", "usdc", "busd", "tusd", "fdusd", "dai", "eur", "gbp", "jpy", "krw", "try"})
_ONE_SIDED = frozenset({"taker", "maker", "buy", "sell", "bid", "ask", "avg", "average", "ma", "sma", "ema", "change"})
_FINAL = frozenset({"confirm", "confirmed", "complete", "completed", "final", "finished", "closed"})
_NAMES: dict[tuple[str, ...], ColumnPart] = {
    ("exchange",): "exchange",
    ("symbol",): "symbol",
    ("ticker",): "symbol",
    ("pair",): "symbol",
    ("instrument",): "symbol",
    ("inst", "id"): "symbol",
    ("product", "id"): "symbol",
    ("trading", "pair"): "symbol",
    ("currency", "pair"): "symbol",
    ("timeframe",): "timeframe",
    ("interval",): "timeframe",
    ("resolution",): "timeframe",
    ("per",): "timeframe",
    ("up",): "up_volume",
    ("down",): "down_volume",
}
# Files with several columns of times use an earlier name for the epoch, a later one for its text, or one of the first
# for the candle and others for its first and last trade.
_TIME_ORDER = (
    "time period start", "candle date time utc", "open time", "time open", "open timestamp", "open date", "timestamp",
    "timestamp ms", "unix", "unix timestamp", "ts", "t", "datetime", "date time", "date", "time", "start time", "start",
)  # fmt: skip
# Words that are written together: opentime, adjclose, tickvol, openinterest.
_JOINED = frozenset(
    {
        "open", "close", "high", "low", "time", "date", "price", "vol", "volume", "tick", "adj", "adjusted", "interest",
        "int", "base", "quote", "start", "end", "stamp", "from", "to", "asset", "unix", "avg",
    }
)  # fmt: skip
_WHOLE = frozenset({"timestamp", "datetime"})
_UNNAMED = frozenset({(), ("index",), ("index", "level"), ("unnamed",)})


def words_of(name: str) -> tuple[str, ...]:
    """``<Open Time>`` -> ``("open", "time")``, ``quoteVolume`` -> ``("quote", "volume")``; numbers are left out."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name.strip()).lower()
    return tuple(word for written in re.findall(r"[^\W\d_]+", parted) for word in _parts(written))


@lru_cache(maxsize=1024)
def meaning_of(name: str) -> ColumnMeaning | None:
    """What the name of a column says of its part, ``None`` if nothing."""
    words = words_of(name)
    if (part := _NAMES.get(words)) is not None:
        return ColumnMeaning(0, part)
    if words in _UNNAMED:
        return ColumnMeaning(90, "time")
    distinct = set(words)
    if distinct <= _FINAL | {"is"} and distinct & _FINAL:
        return ColumnMeaning(0, "closed")
    return _as_time(words) or _as_volume(words) or _as_price(words)


def _parts(word: str) -> tuple[str, ...]:
    if word in _JOINED or word in _WHOLE:
        return (word,)
    for cut in range(2, len(word) - 1):
        if word[:cut] in _JOINED and word[cut:] in _JOINED:
            return word[:cut], word[cut:]
    return (word,)


def _as_time(words: tuple[str, ...]) -> ColumnMeaning | None:
    distinct = set(words)
    if distinct & (_VOLUMES | {"price"}) - {"t"} or ("t" in distinct and len(distinct) > 1):
        return None
    if not (distinct & _TIMES or distinct & _STARTS) or distinct & _NO_TIMES:
        return None
    if distinct & _ENDS:
        return ColumnMeaning(0, "close_time")
    plain = " ".join(words)
    if plain in _TIME_ORDER:
        return ColumnMeaning(_TIME_ORDER.index(plain), "time")
    if distinct & _STARTS:
        return ColumnMeaning(len(_TIME_ORDER), "time")
    return ColumnMeaning(60 if distinct & _OF_OTHERS else 50, "time")


def _as_price(words: tuple[str, ...]) -> ColumnMeaning | None:
    distinct = set(words)
    if distinct & (_NOT_PRICES | _TIMES - {"t"}):
        return None
    if distinct in ({"price"}, {"trade", "price"}):
        return ColumnMeaning(9, "close")
    roles = [role for role, spellings in _PRICES.items() if distinct & spellings]
    if len(roles) != 1:
        return None
    beside = distinct - _EITHER - _BESIDE_PRICES
    adjusted, ask = bool(beside & {"adj", "adjusted"}), "ask" in beside
    in_other_words = distinct.isdisjoint({roles[0], roles[0][0]})
    return ColumnMeaning(len(beside) + 5 * adjusted + ask + in_other_words, roles[0])


def _as_volume(words: tuple[str, ...]) -> ColumnMeaning | None:
    distinct = set(words)
    if not distinct & (_VOLUMES | {"turnover"}) or distinct & (_ONE_SIDED | {"price"}):
        return None
    if distinct & {"tick", "ticks"}:
        return ColumnMeaning(0, "tick_volume")
    if "base" in distinct or words == ("volume", "from"):
        return ColumnMeaning(0, "volume")
    if distinct & (_QUOTED | _QUOTE_UNITS) or words == ("volume", "to"):
        return ColumnMeaning(0 if distinct & _QUOTED else 1, "quote_volume")
    plain = distinct <= {"volume", "vol", "v", "total", "traded"}
    return ColumnMeaning(1 if plain else 3 if distinct & {"amount", "qty", "quantity"} else 2, "volume")
