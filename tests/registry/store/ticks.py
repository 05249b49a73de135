"""Ticks as a worker would record them."""

import polars as pl

from common.timeframes import from_ms
from registry.groups import Group
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove

HOUR = 3_600_000
BTC, ETH = Group.parse("BINANCE:BTCUSDT 1h"), Group.parse("BINANCE:ETHUSDT 1h")


def tick(close_ms: int, *moves: tuple[Group, int | None], triggers: int = 0) -> TickRecord:
    """The record of a tick of 1h that moves groups from one close time to ``close_ms``; triggers are numbered."""
    rows = pl.DataFrame(
        {
            "trigger_id": [f"{number:032x}:{close_ms}" for number in range(triggers)],
            "condition_id": [f"{number:032x}" for number in range(triggers)],
            "exchange": ["BINANCE"] * triggers,
            "symbol": ["BTCUSDT"] * triggers,
            "timeframe": ["1h"] * triggers,
            "open_time": [from_ms(close_ms - HOUR)] * triggers,
            "close_time": [from_ms(close_ms)] * triggers,
            "price": [1.5] * triggers,
            "values": ['{"rsi(14, close)":29.5}'] * triggers,
            "settled": [True] * triggers,
            "late": [False] * triggers,
            "definition_versions": ["rsi=1"] * triggers,
        },
        schema_overrides={
            "trigger_id": pl.String,
            "condition_id": pl.String,
            "open_time": pl.Datetime("ms", "UTC"),
            "close_time": pl.Datetime("ms", "UTC"),
            "price": pl.Float64,
        },
    )
    return TickRecord(
        timeframe="1h",
        close_time_ms=close_ms,
        late=False,
        moves=tuple(WatermarkMove(group, from_ms_, close_ms) for group, from_ms_ in moves),
        triggers=rows,
        holes=(),
        anchors={group.base: 0 for group, from_ms_ in moves if from_ms_ is None},
        metrics=TickMetrics(10, 5, 3, 2, 12, 10, 7, 5, 100, 200, 300),
    )
