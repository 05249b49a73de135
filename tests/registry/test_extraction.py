"""Conditions from bots' configurations, with the symbol and timeframe around them."""

import asyncio
from collections.abc import Mapping

import pytest

from condition_hub.series_defaults import current_defaults
from registry import Condition, ConditionError, InstrumentError, TimeframeError
from registry.defaults import defaults
from registry.extraction import extract_conditions

RSI_LOW = {"indicator": "RSI", "operator": "<", "value": 30}
RSI_HIGH = {"indicator": "RSI", "operator": ">", "value": 70}


def texts(config: Mapping[str, object], **defaults_: str) -> list[str]:
    return [str(condition) for condition in extract_conditions(config, **defaults_)]


def test_a_dca_bot() -> None:
    config = {
        "bot_id": "dca_bot_123", "symbol": "BTC/USDT", "timeframe": "60m", "baseOrderSize": 100,
        "startCondition": "immediately", "tradeStartCondition": True,
        "entryConditions": [RSI_LOW, "close > sma(200)"],
        "dcaRules": {
            "rules": [
                {"indicator": "RSI", "operator": "crosses_below", "value": 25, "orderSize": 50, "action": "buy"},
                {"indicator": "RSI", "operator": "<", "value": 20, "enabled": False},
                {"timeframe": "15m", "customCondition": {"all": ["rsi < 20", RSI_HIGH]}},
            ],
            "percentage": 5,
        },
    }  # fmt: skip
    assert texts(config) == [
        "BINANCE:BTCUSDT 1h: rsi(14) < 30",
        "BINANCE:BTCUSDT 1h: close > sma(200)",
        "BINANCE:BTCUSDT 1h: rsi(14) crosses_below 25",
        "BINANCE:BTCUSDT 15m: rsi(14) < 20 and rsi(14) > 70",
    ]


def test_a_dca_bot_with_a_condition_config() -> None:
    condition = {
        "type": "indicator", "indicator": "RSI", "component": "RSI", "operator": "<", "compareWith": "value",
        "compareValue": 30, "period": 14, "timeframe": "same",
    }  # fmt: skip
    config = {
        "selectedPairs": ["BTC/USDT", "ETH/USDT"],
        "exchange": "Kraken",
        "interval": "1h",
        "conditionConfig": {"mode": "simple", "conditionType": "RSI Conditions", "condition": condition},
    }
    assert texts(config) == ["KRAKEN:BTCUSDT 1h: rsi(14) < 30", "KRAKEN:ETHUSDT 1h: rsi(14) < 30"]


def test_a_grid_bot() -> None:
    config = {"symbol": "BTCUSDT", "timeframe": "1h", "grid": {"lines": 20}, "conditions": [RSI_LOW, RSI_HIGH, RSI_LOW]}
    assert texts(config) == ["BINANCE:BTCUSDT 1h: rsi(14) < 30", "BINANCE:BTCUSDT 1h: rsi(14) > 70"]


def test_a_trend_bot() -> None:
    condition = {"indicator": "MACD", "operator": "crosses_above", "component": "histogram"}
    config = {"market": "ETHUSDT", "timeframe": "4h", "trend": {"entry": condition, "trailing": {"atr": 3}}}
    (extracted,) = extract_conditions(config)
    assert extracted == Condition.parse("ETHUSDT 4h: macd.line crosses_above macd.signal")


def test_a_market_making_bot() -> None:
    quiet = {"symbol": "BTCUSDT", "timeframe": "1m", "when": "atr < 5 and volume > sma(20, volume)", "spread": 0.1}
    config = {
        "pauseCondition": "close rises_by 1% within 5 bars",
        "symbol": "ETHUSDT",
        "timeframe": "5m",
        "gate": quiet,
    }
    assert texts(config) == [
        "BINANCE:ETHUSDT 5m: close rises_by 1% within 5 bars",
        "BINANCE:BTCUSDT 1m: atr(14) < 5 and volume > sma(20, volume)",
    ]


def test_what_a_configuration_leaves_out() -> None:
    assert texts({"conditions": [RSI_LOW]}, symbol="BTCUSDT", timeframe="1h") == ["BINANCE:BTCUSDT 1h: rsi(14) < 30"]
    with defaults(symbol="BTCUSDT", timeframe="1h"):
        assert texts({"conditions": [RSI_LOW]}) == ["BINANCE:BTCUSDT 1h: rsi(14) < 30"]
        assert texts({"conditions": [RSI_LOW], "symbol": "ETHUSDT"}) == ["BINANCE:ETHUSDT 1h: rsi(14) < 30"]
    assert texts({"baseOrderSize": 100, "conditions": []}) == []
    assert texts({"symbol": "BTCUSDT", "timeframe": "1h", "active": False, "conditions": [RSI_LOW]}) == []


@pytest.mark.parametrize(
    ("part", "pointer", "message"),
    [
        ({"conditions": [RSI_LOW, {**RSI_LOW, "value": "x"}]}, "/conditions/1/value", "unknown indicator or price"),
        ({"exitCondition": "rsi crosses_abve 70"}, "/exitCondition", "did you mean crosses_above?"),
        ({"a": {"b": [{**RSI_LOW, "vlaue": 30}]}}, "/a/b/0/vlaue", "did you mean value?"),
        ({"dcaRules": {"entry_condition": {"not": "close >"}}}, "/dcaRules/entry_condition/when/not", "ends too early"),
        ({"timeframe": "7m", "conditions": [RSI_LOW]}, "/conditions/0", "timeframe '7m' is not supported"),
        ({"symbol": "A//B", "conditions": [RSI_LOW]}, "/conditions/0", "symbol 'A//B' is malformed"),
    ],
)
def test_mistakes_have_a_pointer(part: dict[str, object], pointer: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message.replace("?", r"\?")) as caught:
        extract_conditions({"symbol": "BTCUSDT", "timeframe": "1h", **part})
    assert caught.value.pointer == pointer


def test_configurations_that_are_none() -> None:
    with pytest.raises(ConditionError, match="a bot's configuration is an object, got a value of type list"):
        extract_conditions([RSI_LOW])  # type: ignore[arg-type]
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"a": deep}
    for config in (deep, {"a": [[0] * 200] * 200}):
        with pytest.raises(ConditionError, match="the configuration is too large"):
            extract_conditions(config)


def test_defaults_of_nested_blocks() -> None:
    with defaults(symbol="BTCUSDT", timeframe="1h"):
        with defaults(timeframe="4h"):
            assert str(Condition.parse("close > 1").series) == "BINANCE:BTCUSDT 4h"
            assert str(Condition.parse("close > 1", symbol="ETHUSDT").series) == "BINANCE:ETHUSDT 4h"
            assert str(Condition.parse("ADAUSDT 1d: close > 1").series) == "BINANCE:ADAUSDT 1d"
            assert str(Condition.parse({"when": "close > 1"}).series) == "BINANCE:BTCUSDT 4h"
        assert str(Condition.parse("close > 1").series) == "BINANCE:BTCUSDT 1h"
    with pytest.raises(ConditionError, match="lacks symbol and timeframe"):
        Condition.parse("close > 1")
    with pytest.raises(InstrumentError), defaults(symbol="A//B"):
        pass
    with pytest.raises(TimeframeError), defaults(timeframe="7m"):
        pass


async def test_defaults_of_concurrent_tasks() -> None:
    async def ask(symbol: str) -> str:
        with defaults(symbol=symbol, timeframe="1h"):
            await asyncio.sleep(0.01)
            return Condition.parse("close > 1").series.instrument.symbol

    assert list(await asyncio.gather(ask("BTCUSDT"), ask("ETHUSDT"))) == ["BTCUSDT", "ETHUSDT"]
    assert current_defaults().symbol is None
