"""A configuration of each kind of bot for BTCUSDT in the crash of August 2024."""

from typing import Any

DCA: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 1000, "takeProfit": "1.5", "cooldown": 1800,
    "dcaRules": {"safetyOrderSize": 500, "maxSafetyOrders": 6, "safetyOrderStepPercentage": "1.2",
                 "martingaleVolumeCoefficient": "1.4"},
    "entryConditions": [{"indicator": "RSI", "operator": "<", "value": 45, "period": 14}],
    "exitConditions": [{"indicator": "RSI", "operator": ">", "value": 70}],
}  # fmt: skip
GRID: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "lower": 50_000, "upper": 62_000, "count": 13, "counted": "lines",
    "quantityPerGrid": 500, "start": "condition", "entryConditions": ["rsi(14) < 40"],
    "exitConditions": ["rsi(14) > 75"],
}  # fmt: skip
TREND: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseOrderSize": 2000, "stopAtrMultiplier": 2, "trailingAtrMultiplier": 3,
    "entryConditions": ["ema(5) crosses_above ema(10)"], "oppositeCondition": "ema(5) crosses_below ema(10)",
}  # fmt: skip
MARKET_MAKING: dict[str, Any] = {
    "symbol": "BTCUSDT", "timeframe": "1h", "baseAmount": "0.5", "quoteAmount": 30_000, "orderAmount": "0.01",
    "orderLevels": 2, "orderLevelSpread": "0.3", "bidSpread": "0.4", "askSpread": "0.4", "orderRefreshTime": 900,
    "start": "condition", "entryConditions": ["atr(14) < 900"], "exitConditions": ["atr(14) > 1200"],
}  # fmt: skip
OF_KIND: dict[str, dict[str, Any]] = {
    "dca": DCA, "grid": GRID, "trend": TREND, "market_making": MARKET_MAKING,
}  # fmt: skip
