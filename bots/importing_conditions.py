"""3Commas' lists of conditions (``strategy_list``, ``close_strategy_list``, ``safety_strategy_list``) as ours.

Each list is one condition, as all of its entries have to be met. 3Commas acts on every candle on which they are, so it
is one with ``every``. Their list of strategies calls ``crossing_above`` "crossing_down", and the other way round: such
an entry is refused with both readings.
"""

from collections.abc import Mapping
from typing import Any

from bots.importing_fields import Json, object_in, objects_in, read_object
from bots.machine import ConditionRole
from common.errors import AmbiguousImport, BotConfigError
from common.timeframes import DURATION_MS, normalise_timeframe
from registry.conditions import Condition

_LISTS: Mapping[str, ConditionRole] = {
    "strategy_list": "entry",
    "close_strategy_list": "exit",
    "safety_strategy_list": "safety",
}
_OPERATORS = {"less": "<", "greater": ">", "crossing_up": "crosses_above", "crossing_down": "crosses_below"}
_WITHOUT = ("nonstop", "manual")
"""What begins deals without a condition."""
_WITH_POINTS = {
    "rsi": "rsi({time_period})",
    "mfi": "mfi({time_period})",
    "cci": "cci({time_period})",
    "adx": "adx({time_period})",
    "ult": "ultosc({first_period}, {second_period}, {third_period})",
    "b_bands_percent": "bbands({time_period}, {deviation}).percent_b",
    "stochastic": "stoch({fast_k_period}, {slow_k_period}, {slow_d_period}).k",
}
"""Strategy -> what is compared with its points."""
_TWO_READINGS = {
    "parabolic_sar": "whether the price crosses the SAR or the SAR the price",
    "heikin_ashi": "whether its candles rise or fall",
}


def conditions_from_3commas(
    source: Json, symbol: str, *, default_exchange: str = "BINANCE"
) -> list[tuple[Condition, ConditionRole]]:
    """The conditions of a 3Commas bot on one symbol, with their roles; none where deals begin without one.

    Raises :class:`common.errors.AmbiguousImport` for an entry with two readings, and
    :class:`common.errors.BotConfigError` for one that the hub cannot judge.
    """
    bot = read_object(source)
    conditions: list[tuple[Condition, ConditionRole]] = []
    for name, role in _LISTS.items():
        entries = [one for one in objects_in(bot, name) if one.get("strategy") not in _WITHOUT]
        if not entries:
            continue
        terms = [(_timeframe(one), term) for one in entries for term in _terms(one)]
        base = min((timeframe for timeframe, _ in terms), key=DURATION_MS.__getitem__)
        texts = [_at(term, timeframe, base) for timeframe, term in terms]
        text = f"{symbol} {base}: every(all({', '.join(texts)}))"
        conditions.append((Condition.parse(text, default_exchange=default_exchange), role))
    return conditions


def _terms(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(left, operator, right) of each comparison that an entry makes."""
    kind, options = str(entry.get("strategy")), object_in(entry, "options")
    if kind in _TWO_READINGS:
        raise AmbiguousImport(f"{kind} does not say {_TWO_READINGS[kind]}; write the condition itself")
    if kind not in (*_WITH_POINTS, "ma_cross", "macd"):
        raise BotConfigError(f"strategy {kind!r} is not judged from candles; the hub cannot tell when it is met")
    try:
        operator = _operator(kind, options["trigger_condition"])
        line = options.get("line_trigger_condition")
        if kind in _WITH_POINTS:
            left = _WITH_POINTS[kind].format(**options)
            terms = [(left, operator, str(options["points"]))]
            return [*terms, (left, _operator(kind, line), left.removesuffix("k") + "d")] if line else terms
        if kind == "ma_cross":
            average = options["indicator_type"]
            first, second = options["time_period_first"], options["time_period_second"]
            return [(f"{average}({first})", operator, f"{average}({second})")]
        macd = "macd({fast_period}, {slow_period}, {signal_period})".format(**options)
        terms = [(f"{macd}.line", operator, f"{macd}.signal")]
        return [*terms, (f"{macd}.line", _operator(kind, line), "0")] if line else terms
    except KeyError as error:
        raise BotConfigError(f"strategy {kind} has no option {error}") from None


def _operator(kind: str, word: object) -> str:
    if word in ("crossing_above", "crossing_below"):
        raise AmbiguousImport(
            f"{kind} has {word}, which their list of strategies calls"
            f" {'crossing_down' if word == 'crossing_above' else 'crossing_up'}; write crossing_up or crossing_down"
        )
    if not isinstance(word, str) or word not in _OPERATORS:
        raise BotConfigError(f"{kind} has {word!r}; its conditions are {', '.join(_OPERATORS)}")
    return _OPERATORS[word]


def _timeframe(entry: Mapping[str, Any]) -> str:
    return normalise_timeframe(str(object_in(entry, "options").get("time")))


def _at(term: tuple[str, str, str], timeframe: str, base: str) -> str:
    """A comparison with its indicators on their timeframe."""
    left, operator, right = term
    if timeframe == base:
        return f"{left} {operator} {right}"
    is_number = right.replace(".", "", 1).lstrip("-").isdigit()
    return f"{left}@{timeframe} {operator} {right if is_number else f'{right}@{timeframe}'}"
