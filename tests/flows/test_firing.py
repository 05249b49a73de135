"""What fires, of truths of all kinds: many conditions of a series side by side fire as each would alone."""

import random

import numpy as np

from flows import judge
from flows.firing import Firing
from flows.plan import make_plan
from flows.program import FALSE, TRUE, UNKNOWN
from registry.conditions import Condition

MANY = 40
"""Of a kind: enough for a loop of their own."""


def test_a_condition_fires_by_its_own_truths_alone() -> None:
    texts = [f"BTCUSDT 1h: close < {number}" for number in range(MANY)]
    texts += [f"BTCUSDT 1h: close crosses_above {number}" for number in range(MANY)]
    texts += [f"ETHUSDT 1h: close > {number}" for number in range(MANY)]
    texts += ["SOLUSDT 1h: close > 1", "SOLUSDT 1h: close crosses_below 1", "SOLUSDT 1h: open > 1 for 2 bars"]
    plan = make_plan([Condition.parse(text) for text in texts])
    firing = Firing()
    firing.grow(plan)
    dice = random.Random(3)
    before = [UNKNOWN] * len(plan.conditions)
    seen = set()
    for step in range(200):
        # Rarely true at first: one edge among many truths that stay must be found too.
        weights = (30, 1, 1) if step < 100 else (1, 1, 1)
        truth = np.array(dice.choices((FALSE, UNKNOWN, TRUE), weights, k=plan.program.size), np.uint8)
        moving = np.array([dice.random() < 0.7 for _ in plan.series])
        if dice.random() < 0.2:
            base = dice.randrange(len(plan.series))
            firing.forget(base)
            before = [UNKNOWN if plan.base[c] == base else held for c, held in enumerate(before)]
        wanted = []
        for number in range(len(plan.conditions)):
            if moving[plan.base[number]]:
                now, was = int(truth[plan.roots[number]]), before[number]
                if now == TRUE and (plan.momentary[number] or was == FALSE):
                    wanted.append(number)
                seen.add((bool(plan.momentary[number]), was, now))
                before[number] = now
        assert firing.fire(judge, truth, moving).tolist() == wanted
        assert [firing.previous(number) for number in range(len(plan.conditions))] == before
    assert len(seen) == 2 * 3 * 3
