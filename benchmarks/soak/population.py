"""Who wants what in a soak: conditions of 1m and 5m on every instrument, some on both, and the bots that wait."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.latency_exchange import pairs
from registry.conditions import Condition
from registry.instruments import Listing
from registry.keys import new_key
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest

USER = "soak"
_SHAPES = (
    ("1m", "every(close > open)"),
    ("5m", "every(close < open)"),
    ("1m", "rsi({period}) crosses_below {level}"),
    ("1m", "close < bbands(20, {stddev}).lower"),
    ("5m", "ema({period}) crosses_above ema({slow})"),
    ("1m", "all(close > sma({slow})@5m, rsi({period}) > {level})"),
    ("5m", "macd.histogram > 0 for 2 bars"),
    ("1m", "ema(9, rsi({period})) > {level}"),
    ("1m", "close crosses_above sma({slow}) then (volume > sma(20, volume)) within {period} bars"),
    ("5m", "atr({period}) rising 2 bars"),
    ("1m", "close outside bbands({slow}, {stddev}).lower and bbands({slow}, {stddev}).upper"),
    ("5m", "stoch({period}, 3, 3).k between 20 and {level}"),
)


def fill(data_dir: Path, instruments: int, conditions: int) -> str:
    """Make a store in which one user's bot waits for all of them; the user's key, an operator's."""
    now_ms = time.time_ns() // 1_000_000
    wanted = _different([pair.base + pair.quote for pair in pairs(instruments)], conditions)
    key, text = new_key(USER, "operator", "soak", now_ms)
    with FileStore(data_dir / "store") as store:
        store.accounts.add_key(key)
        store.candles.list_instruments([Listing(each) for each in {one.series.instrument for one in wanted}])
        store.registry.register(wanted, active_from_ms=now_ms)
        requests = [SubscriptionRequest(USER, "soak-1", condition.id, "dca", {}) for condition in wanted]
        store.registry.subscribe(requests, active_from_ms=now_ms)
    return text


def _different(symbols: Sequence[str], count: int) -> list[Condition]:
    """That many conditions, none twice."""
    wanted: dict[str, Condition] = {}
    for condition in _conditions(symbols):
        wanted.setdefault(condition.id, condition)
        if len(wanted) == count:
            break
    return list(wanted.values())


def _conditions(symbols: Sequence[str]) -> Iterator[Condition]:
    """Conditions without end, those of all symbols in turn; some come again."""
    number = 0
    while True:
        timeframe, shape = _SHAPES[number % len(_SHAPES)]
        place = number // len(_SHAPES)
        text = shape.format(period=7 + place % 15, slow=25 + place % 20, level=40 + place % 31, stddev=1.5 + place % 3)
        for symbol in symbols:
            yield Condition.parse(f"{symbol} {timeframe}: {text}")
        number += 1
