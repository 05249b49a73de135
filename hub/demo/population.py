"""Simulated users and bots, the same for the same seed. Like real ones, they mostly want the same few things.

Most bots take a popular condition on a popular instrument with the usual numbers; some tune a period or a threshold.
They write it as people do: as flat JSON or as text, with various spellings of the symbol and the operator.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.demo.acting_bots import ACTING, conditions_of

SYMBOLS = {
    "BTCUSDT": 30,
    "ETHUSDT": 22,
    "SOLUSDT": 16,
    "XRPUSDT": 9,
    "DOGEUSDT": 8,
    "LINKUSDT": 6,
    "AVAXUSDT": 5,
    "LTCUSDT": 4,
}
"""The sample's symbols and how popular they are."""

TIMEFRAMES = {"5m": 60, "1h": 40}

Spec = dict[str, Any] | str
"""A condition as a bot sends it."""


@dataclass(frozen=True)
class Bot:
    """One simulated bot: its owner, its kind, and the conditions that it registers."""

    user_id: str
    bot_id: str
    bot_type: str
    bot_config: dict[str, Any] = field(repr=False)
    conditions: tuple[Spec, ...]


def population(bots: int, seed: int) -> Iterator[Bot]:
    """``bots`` bots, owned by about a third as many users; the first are
    those of :data:`hub.demo.acting_bots.ACTING`."""
    dice = random.Random(seed)
    for number in range(bots):
        bot_type = _pick(dice, {"dca": 45, "grid": 25, "trend": 22, "market_making": 8})
        symbol = _pick(dice, SYMBOLS)
        timeframe = _pick(dice, TIMEFRAMES)
        makers = _MAKERS[bot_type]
        conditions: tuple[Spec, ...] = tuple(
            make(dice, symbol, timeframe) for make in dice.sample(makers, k=dice.choice((1, 1, 2, 2, 3)))
        )
        user_id = f"user-{int(bots / 3 * dice.betavariate(0.9, 1.6)):05d}"
        config = {"baseOrderSize": dice.choice((25, 50, 100, 250)), "symbol": symbol, "number": number}
        if number < len(ACTING):
            bot_type = list(ACTING)[number]
            conditions, config = conditions_of(bot_type), dict(ACTING[bot_type])
        yield Bot(user_id, f"{bot_type}-bot-{number:05d}", bot_type, config, conditions)


MakeSpec = Callable[[random.Random, str, str], Spec]
"""(random numbers, symbol, timeframe) -> a condition."""


def _oversold(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return _flat(dice, symbol, timeframe, "RSI", "crosses_below", _usual(dice, 30, (20, 25, 27, 33, 35)), _period(dice))


def _overbought(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return _flat(dice, symbol, timeframe, "RSI", "crosses_above", _usual(dice, 70, (65, 68, 75, 80)), _period(dice))


def _low_zone(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return _flat(dice, symbol, timeframe, "RSI", "<", _usual(dice, 30, (25, 35, 40)), _period(dice))


def _high_zone(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return _flat(dice, symbol, timeframe, "RSI", ">", _usual(dice, 70, (60, 65, 75)), _period(dice))


def _macd_turn(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    if dice.random() < 0.5:
        return {
            "symbol": _spelled(dice, symbol),
            "timeframe": timeframe,
            "indicator": "MACD",
            "operator": "crosses_above",
            "component": "histogram",
        }
    return f"{symbol} {timeframe}: macd.line crosses_above macd.signal"


def _band_touch(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    stddev = _usual(dice, 2, (1.5, 2.5, 3))
    return f"{_spelled(dice, symbol)} {timeframe}: close {_below(dice)} bbands(20, {stddev:g}).lower"


def _band_break(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return f"{symbol} {timeframe}: close crosses_above bbands({_usual(dice, 20, (30, 50)):g}, 2).upper"


def _average_cross(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    fast, slow = dice.choice(((12, 26), (12, 26), (9, 21), (20, 50)))
    if dice.random() < 0.5:
        return f"{symbol} {timeframe}: ema({fast}) crosses_above ema({slow})"
    return f"{symbol} {timeframe}: ema({slow}) {_below(dice)} ema({fast})"


def _trend_filter(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    slow = _usual(dice, 200, (50, 100))
    return f"{symbol} {timeframe}: all(ema(12) crosses_above ema(26), close > sma({slow:g}))"


def _breakout(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    period = _usual(dice, 20, (10, 55))
    return f"{symbol} {timeframe}: close >= highest({period:g}) and volume > sma(20, volume)"


def _breakdown(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return f"{symbol} {timeframe}: close <= lowest({_usual(dice, 20, (10, 55)):g})"


def _stochastic_turn(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    level = _usual(dice, 20, (15, 25))
    return f"{symbol} {timeframe}: stoch.k crosses_above stoch.d and stoch.k < {level:g}"


def _dip_in_uptrend(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    return f"{symbol} {timeframe}: rsi({_period(dice)}) < {_usual(dice, 35, (30, 40)):g} and close > sma(200)"


def _calm(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    period = _usual(dice, 20, (30, 50))
    return f"{symbol} {timeframe}: not any(bbands({period:g}, 2).bandwidth > 0.04, rsi(14) < 30, rsi(14) > 70)"


def _storm(dice: random.Random, symbol: str, timeframe: str) -> Spec:
    width = _usual(dice, 0.06, (0.04, 0.08, 0.1))
    return f"{symbol} {timeframe}: bbands(20, 2).bandwidth > {width:g} or atr(14) > atr(100)"


_MAKERS: dict[str, list[MakeSpec]] = {
    "dca": [_oversold, _low_zone, _band_touch, _dip_in_uptrend, _stochastic_turn, _breakdown],
    "grid": [_low_zone, _high_zone, _calm, _oversold, _overbought],
    "trend": [_macd_turn, _average_cross, _trend_filter, _breakout, _band_break],
    "market_making": [_calm, _storm, _overbought],
}


def _flat(
    dice: random.Random, symbol: str, timeframe: str, indicator: str, operator: str, value: float, period: int
) -> Spec:
    spelled = {
        "crosses_below": ("crosses_below", "crosses_below", "crosses_under", "crossing_down"),
        "crosses_above": ("crosses_above", "crosses_above", "crosses_over", "crossing_up"),
        "<": ("<", "<", "below", "lt"),
        ">": (">", ">", "above", "gt"),
    }
    if dice.random() < 0.25:
        return f"{symbol} {timeframe}: {indicator.lower()}({period}) {operator} {value:g}"
    return {
        "symbol": _spelled(dice, symbol),
        "timeframe": timeframe,
        "indicator": indicator,
        "operator": dice.choice(spelled[operator]),
        "value": dice.choice((value, float(value))),
        "period": period,
    }


def _below(dice: random.Random) -> str:
    return dice.choice(("crosses_below", "crosses_below", "crosses_under"))


def _spelled(dice: random.Random, symbol: str) -> str:
    base = symbol.removesuffix("USDT")
    return dice.choice((symbol, symbol, symbol, f"{base}/USDT", f"{base}-USDT", symbol.lower()))


def _period(dice: random.Random) -> int:
    return int(_usual(dice, 14, (7, 9, 21)))


def _usual(dice: random.Random, usual: float, others: tuple[float, ...]) -> float:
    return usual if dice.random() < 0.7 else dice.choice(others)


def _pick(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), weights=list(weights.values()))[0]
