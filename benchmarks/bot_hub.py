"""Bots of the four kinds that wait for one condition, the candles that they live on, and the tick on which it fires."""

from typing import Any

import polars as pl

from bots.definition import define_bot
from common.timeframes import from_ms
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.parts.bots import ConditionUse, NewBot
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove
from registry.store.protocol import Store
from registry.subscriptions import DeliveryPolicy

_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_SERIES = Series.parse("BINANCE:BTCUSDT 1h")
CONDITION = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
_ENTERS: dict[str, Any] = {"symbol": "BTCUSDT", "timeframe": "1h", "entryConditions": ["rsi(14) < 30"]}
_KINDS: dict[str, dict[str, Any]] = {
    "dca": {"baseOrderSize": 100, "takeProfit": 2, "safetyOrderSize": 50, "maxSafetyOrders": 5,
            "safetyOrderStepPercentage": 1},
    "grid": {"lower": 45_000, "upper": 55_000, "count": 20, "counted": "lines", "quantityPerGrid": 100,
             "start": "condition"},
    "trend": {"baseOrderSize": 100, "stopLossPercentage": 5},
    "market_making": {"quoteAmount": 10_000, "baseAmount": 1, "orderAmount": "0.01", "bidSpread": "0.2",
                      "askSpread": "0.2", "start": "condition"},
}  # fmt: skip
"""A bot of each kind that begins with the condition."""


def filled(store: Store, count: int, start_ms: int) -> None:
    """Give an empty store candles up to a time, the condition, and that many bots."""
    store.candles.upsert(candle(start_ms - _MINUTE_MS, 50_000.0))
    store.candles.upsert(candle(start_ms - _HOUR_MS, 50_000.0, "1h"))
    store.registry.register([CONDITION], active_from_ms=start_ms)
    for number in range(count):
        kind = list(_KINDS)[number % len(_KINDS)]
        store.bots.create(_bot(number, kind), DeliveryPolicy(), active_from_ms=start_ms)


def _bot(number: int, kind: str) -> NewBot:
    bot_config = _ENTERS | _KINDS[kind]
    defined = define_bot(bot_config, kind)
    uses = tuple(ConditionUse(str(where), condition.id, role) for where, condition, role in defined.roles())
    instruments = tuple(map(str, defined.instruments))
    return NewBot(f"user {number % 500}", f"bot-{number}", kind, "paper", instruments, uses, bot_config)


def candle(open_ms: int, price: float, timeframe: str = "1m") -> pl.DataFrame:
    """A candle around a price."""
    frame = pl.DataFrame(
        {"exchange": ["BINANCE"], "symbol": ["BTCUSDT"], "timeframe": [timeframe], "open_time": [from_ms(open_ms)]}
    )
    prices = {"open": price, "high": price * 1.001, "low": price * 0.999, "close": price, "volume": 1_000.0}
    return frame.with_columns(
        pl.col("open_time").dt.cast_time_unit("ms"), *(pl.lit(value).alias(name) for name, value in prices.items())
    )


def fired(close_ms: int) -> TickRecord:
    """The tick of the hour that closes then, on which the condition fires."""
    triggers = pl.DataFrame(
        {
            "trigger_id": [f"{CONDITION.id}:{close_ms}"],
            "condition_id": [CONDITION.id],
            "exchange": ["BINANCE"],
            "symbol": ["BTCUSDT"],
            "timeframe": ["1h"],
            "open_time": [from_ms(close_ms - _HOUR_MS)],
            "close_time": [from_ms(close_ms)],
            "values": ['{"rsi(14)":29.0}'],
            "price": [50_000.0],
            "settled": [True],
            "late": [False],
            "definition_versions": ["rsi=1"],
        }
    ).with_columns(pl.col("open_time", "close_time").dt.cast_time_unit("ms"))
    return TickRecord(
        timeframe="1h",
        close_time_ms=close_ms,
        late=False,
        moves=(WatermarkMove(Group((_SERIES,)), None, close_ms),),
        triggers=triggers,
        holes=(),
        anchors={_SERIES: close_ms - _HOUR_MS},
        metrics=TickMetrics(**dict.fromkeys(TickMetrics.__dataclass_fields__, 1)),
    )
