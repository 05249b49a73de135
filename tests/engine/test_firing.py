"""Many conditions side by side fire as each would alone, whatever series move, are missing or have just begun."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from engine.evaluate import Evaluator
from engine.plan import make_plan
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition

MANY = 40
"""Conditions of each kind: enough for loops of their own, over runs and over stretches."""
LENGTHS = (2, 4, 8, 16)
"""Lengths of averages: some of a series are known when others are not yet."""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
KINDS: dict[str, Callable[[float, float | None, int], bool]] = {
    "sma({}) < {}": lambda now, before, number: before is not None and now < number <= before,
    "sma({}) > {}": lambda now, before, number: before is not None and now > number >= before,
    "sma({}) crosses_below {}": lambda now, before, number: before is not None and now < number <= before,
    "sma({}) crosses_above {}": lambda now, before, number: before is not None and now > number >= before,
    "every(sma({}) >= {})": lambda now, _, number: now >= number,
}
"""A condition, and whether it fires: ``before`` is ``None`` where the value of the step before is not known."""


@pytest.mark.parametrize("seed", range(4))
def test_a_condition_fires_by_its_own_truths_alone(seed: int) -> None:
    dice = random.Random(seed)
    # Bitcoin's compare a slot with constants, Ether's two slots (the opens are 0), and Solana's are few.
    wanted = [
        (
            f"{symbol} 1h: " + kind.format(length, f"open + {number}" if symbol == "ETHUSDT" else number),
            (symbol, length),
            kind,
            number,
        )
        for symbol in SYMBOLS
        for length in LENGTHS
        for kind in KINDS
        for number in range(3 if symbol == "SOLUSDT" else MANY)
    ]
    dice.shuffle(wanted)
    plan = make_plan(Condition.parse(text) for text, *_ in wanted)
    words = {Condition.parse(text).id: (average, KINDS[kind], number) for text, average, kind, number in wanted}
    evaluator = Evaluator(plan)
    symbols = [series.instrument.symbol for series in plan.series]
    closes: dict[str, list[float]] = {symbol: [] for symbol in symbols}
    averages = [(symbol, length) for symbol in symbols for length in LENGTHS]
    before: dict[tuple[str, int], float | None] = dict.fromkeys(averages)
    total = 0
    for _ in range(150):
        stepping = np.array([dice.random() < 0.8 for _ in symbols])
        present = stepping & np.array([dice.random() < 0.8 for _ in symbols])
        candles = np.zeros((len(CANDLE_ROWS), len(symbols)))
        now: dict[tuple[str, int], float | None] = dict.fromkeys(averages)
        for index, symbol in enumerate(symbols):
            if present[index]:
                # In quarters, so that averages of a power of two of them are exact.
                closes[symbol].append(dice.randrange(-8, 4 * MANY + 8) / 4)
                candles[CANDLE_ROWS.index("close"), index] = closes[symbol][-1]
                for length in LENGTHS:
                    if len(closes[symbol]) >= length:
                        now[symbol, length] = sum(closes[symbol][-length:]) / length
        evaluator.step("1h", candles, present, stepping)
        # A step on which all candles are missing is not judged.
        fired = evaluator.judge(present, np.zeros(len(symbols), np.int64)) if present.any() else []
        expected = [
            condition_id
            for condition_id, (average, fires, number) in words.items()
            if (value := now[average]) is not None and fires(value, before[average], number)
        ]
        assert sorted(trigger.condition.id for trigger in fired) == sorted(expected)
        total += len(expected)
        before |= {average: now[average] for average in averages if stepping[symbols.index(average[0])]}
    assert total > 1000
