"""When conditions fire, candle by candle: worked tables of closes, ``None`` being a missing candle."""

import math

import pytest

from registry import Condition
from registry.language.surface import momentary
from registry.language.tree import Price
from tests.registry.language.reference import LONGER, SERIES, History, fires, truth

Closes = list[float | None]


def candles(closes: Closes) -> History:
    present = [close is not None for close in closes]
    return History({SERIES: present}, {Price(SERIES, "close"): [math.nan if c is None else c for c in closes]})


TABLES: list[tuple[str, Closes, list[int]]] = [
    ("close crosses_below 30", [31, 30, 29], [2]),
    ("close crosses_below 30", [31, 30, 29, 30, 29], [2, 4]),
    ("close crosses_below 30", [31, 29, 28, 27], [1]),
    ("close crosses_below 30", [29, 28], []),
    ("close crosses_below 30", [35, 31, 30, 29, 28, None, 31, 29], [3, 7]),
    ("close crosses_below 30", [31, None, 29], []),
    ("close crosses_above 30", [29, 30, 31], [2]),
    ("close crosses 30", [29, 31, 29, 31], [1, 2, 3]),
    ("close crosses 30", [30, 31, 30, 31], [1, 3]),
    ("close < 30", [31, 29, 28, 31, 29], [1, 4]),
    ("close < 30", [29, 28], []),
    ("close < 30", [31, None, 29, 28], []),
    ("close < 30", [math.nan, 29, 31, 29], [3]),
    ("every(close < 30)", [31, 29, 28, 31, 29], [1, 2, 4]),
    ("every(close < 30)", [29, None, 28], [0, 2]),
    ("not close < 30", [29, 31, 32, 29, 31], [1, 4]),
    ("close between 10 and 20", [9, 10, 20, 21, 15], [1, 4]),
    ("close enters 10 and 20", [9, 10, 20, 21, 20, 15], [1, 4]),
    ("close enters 10 and 20", [15, 15], []),
    ("close enters 10 and 20", [9, None, 15], []),
    ("close exits 10 and 20", [15, 20, 21, 22, 15, 9], [2, 5]),
    ("close > 1 for 3 bars", [0, 2, 2, 2, 2, 0, 2, 2, 2], [3, 8]),
    ("close > 1 for 3 bars", [2, 2, 2], []),
    ("close > 1 for 3 bars", [0, 2, 2, None, 2, 2, 2], []),
    ("close > 1 within 3 bars", [0, 0, 0, 2, 0, 0, 0, 2], [3, 7]),
    ("close > 1 within 3 bars", [0, 2], []),
    ("close > 1 within 2 bars", [0, 0, None, 0, 2], []),
    ("close crosses_above 1 within 2 bars", [0, 0, 2, 2, 0, 2], [2, 5]),
    ("close crosses_above 1 within 2 bars", [0, 0, 0, 2, 2, 2, 0, 2], [3, 7]),
    ("close rising 2 bars", [1, 1, 2, 3, 4, 4, 5, 6], [3, 7]),
    ("close rising", [1, 1, 2, 3, 3, 4], [2, 5]),
    ("close falling", [3, 3, 2, 1, 1], [2]),
    ("close rises_by 10%", [100, 105, 115.5, 116, 140], [2, 4]),
    ("close rises_by 10% within 2 bars", [100, 100, 105, 110, 110, 110, 122], [3, 6]),
    ("close rises_by 50%", [-2, 4, 4, 8], [3]),
    ("close falls_by 5 within 3 bars", [10, 10, 8, 6, 5, 5, 5, 5, 0], [4, 8]),
    ("close[1] > 1", [0, 2, 0, 2], [2]),
    ("close[2] > close", [5, 5, 5, 4, 4, 4], [3]),
    ("close[1] > 1", [0, 2, None, 0], []),
    ("2 of (close > 1, close > 2, close > 3)", [0, 2, 3, 4, 1, 5], [2, 5]),
    ("2 of (close > 1, close rising, close < 9)", [0, 2, 1, 3, 9], [3]),
    ("2 of (close > 1, close[3] > 1, close < 9)", [0, 5, 9, 5], []),
    ("close / (close - 1) > 1", [0, 3, 1, 4], [1]),
]


@pytest.mark.parametrize(("expression", "closes", "expected"), TABLES)
def test_tables(expression: str, closes: Closes, expected: list[int]) -> None:
    """As written and as judged: the tree of the canonical text alone says when it fires."""
    condition = Condition.parse(f"BTCUSDT 1h: {expression}")
    assert fires(condition.surface, momentary(condition.surface), candles(closes)) == expected
    again = Condition.from_canonical(condition.canonical)
    assert fires(again.tree, again.momentary, candles(closes)) == expected


def test_k_of_on_what_is_unknown() -> None:
    tree = Condition.parse("BTCUSDT 1h: 2 of (close > 1, close[5] > 1, close[6] > 1)").tree
    assert truth(tree, candles([2, 2]), 1) is None
    assert truth(tree, candles([0, 0]), 1) is None
    three = Condition.parse("BTCUSDT 1h: 2 of (close < 1, close < 2, close[6] > 1)").tree
    assert truth(three, candles([5, 5]), 1) is False
    assert truth(three, candles([0, 0]), 1) is True


def test_a_longer_timeframe_shows_its_last_closed_candle() -> None:
    tree = Condition.parse("BTCUSDT 1h: close@2h > 1").tree
    longer = History({SERIES: [True] * 6, LONGER: [True] * 3}, {Price(LONGER, "close"): [0, 2, 0]})
    assert [truth(tree, longer, now) for now in range(6)] == [None, False, False, True, True, False]
    before = Condition.parse("BTCUSDT 1h: close[1]@2h > 1").tree
    assert [truth(before, longer, now) for now in range(6)] == [None, None, None, False, False, True]
    crossing = Condition.parse("BTCUSDT 1h: close@2h crosses_above 1").tree
    assert [now for now in range(6) if truth(crossing, longer, now)] == [3]
