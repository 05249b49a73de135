"""Bybit's public dialect of spot markets, as the simulated exchange speaks it: REST answers and pushed messages."""

from collections.abc import Mapping, Sequence

from hub.demo.simulated_market import Candle, Pair

BYBIT_MOST_CANDLES = 1_000
BYBIT_MOST_TOPICS = 10
"""Topics of spot markets that one message may subscribe to."""
BYBIT_INTERVALS = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h", "240": "4h", "360": "6h",
    "720": "12h", "D": "1d", "W": "1w", "M": "1mo",
}  # fmt: skip
"""Its words for timeframes -> ours."""


def bybit_answer(result: object, now_ms: int, code: int = 0, message: str = "OK") -> dict[str, object]:
    """What every answer by REST is wrapped in."""
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now_ms}


def bybit_markets(category: str, pairs: Sequence[Pair]) -> dict[str, object]:
    """The markets of a category: ``pairs`` are spot ones, and there are no others."""
    return {"category": category, "list": [_market(pair) for pair in pairs] if category == "spot" else []}


def bybit_candles(pair: Pair, candles: Sequence[Candle]) -> dict[str, object]:
    """Candles, oldest first, as they are answered: the newest first."""
    rows = [[str(candle.open_ms), *map(str, candle.values), "0"] for candle in reversed(candles)]
    return {"symbol": pair.base + pair.quote, "category": "spot", "list": rows}


def bybit_reply(asked: Mapping[str, object]) -> dict[str, object]:
    """What a message of a client is answered by websocket."""
    topics = asked.get("args")
    is_refused = isinstance(topics, Sequence) and len(topics) > BYBIT_MOST_TOPICS
    said = "pong" if asked["op"] == "ping" else "args size >10" if is_refused else "subscribe"
    return {
        "success": not is_refused,
        "ret_msg": said,
        "conn_id": "1",
        "req_id": asked.get("req_id"),
        "op": asked["op"],
    }


def bybit_push(topic: str, candle: Candle, now_ms: int) -> dict[str, object]:
    """A candle as it is pushed."""
    values = dict(zip(("open", "high", "low", "close", "volume"), map(str, candle.values), strict=True))
    kline = {
        "start": candle.open_ms, "end": candle.close_ms - 1, "interval": topic.split(".")[1], **values,
        "turnover": "0", "confirm": candle.closed, "timestamp": now_ms,
    }  # fmt: skip
    return {"topic": topic, "data": [kline], "ts": now_ms, "type": "snapshot"}


def _market(pair: Pair) -> dict[str, object]:
    lots = {
        "basePrecision": pair.lot_size, "quotePrecision": "0.00000001", "minOrderQty": pair.lot_size,
        "maxOrderQty": "9000", "minOrderAmt": "1", "maxOrderAmt": "100000",
    }  # fmt: skip
    return {
        "symbol": pair.base + pair.quote, "baseCoin": pair.base, "quoteCoin": pair.quote, "innovation": "0",
        "status": "Trading", "marginTrading": "none", "lotSizeFilter": lots,
        "priceFilter": {"tickSize": pair.tick_size},
    }  # fmt: skip
