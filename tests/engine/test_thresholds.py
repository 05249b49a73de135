"""Thresholds are judged by a value's place among them; truths and triggers are the same as when each is judged alone.

Values walk, jump, stand still, equal thresholds exactly, are 0 and -0, infinite and missing for a while; some series do
not move on a step, some lose the step before; conditions are added and truths sorted again in between.
"""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import judging_kernels
from engine.firing import FiringState
from engine.plan import Plan
from engine.program import FALSE, ONE_SLOT, TRUE, UNKNOWN
from engine.truths import TruthState
from registry.conditions import Condition
from registry.language.tree import All, Comparison, Node, Number, Price

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
OPERATORS = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")


def random_conditions(dice: random.Random, count: int) -> list[Condition]:
    conditions = []
    for _ in range(count):
        symbol, field_ = dice.choice(SYMBOLS), dice.choice(("close", "close", "close", "volume"))
        leaves = [f"{field_} {dice.choice(OPERATORS)} {dice.randint(-20, 20) / 2:g}" for _ in range(2)]
        text = leaves[0] if dice.random() < 0.9 else f"all({', '.join(leaves)})"
        conditions.append(Condition.parse(f"{symbol} 1h: {text}"))
    return conditions


@dataclass
class Hub:
    """A plan that is judged as by the live evaluation, next to the rules applied one by one."""

    plan: Plan = field(default_factory=lambda: Plan("1h"))
    truths: TruthState = field(default_factory=TruthState)
    firing: FiringState = field(default_factory=FiringState)
    previous: dict[str, int] = field(default_factory=dict)
    now: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    before: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def extend(self, conditions: list[Condition]) -> None:
        self.plan.extend(conditions)
        more = np.full(self.plan.slots - self.now.size, np.nan)
        self.now, self.before = np.concatenate([self.now, more]), np.concatenate([self.before, more])
        self.truths.grow(self.plan.program)
        self.firing.grow(self.plan)
        for condition in conditions:
            self.previous.setdefault(condition.id, UNKNOWN)

    def sort(self) -> None:
        self.truths.sort(self.plan.program)
        self.truths.grow(self.plan.program)
        self.firing.grow(self.plan)

    def forget(self, base: int) -> None:
        self.now[self.plan.owners == base] = np.nan
        self.truths.forget(judging_kernels, base)
        self.firing.forget(base)
        for condition, of in zip(self.plan.conditions, self.plan.base.tolist(), strict=True):
            if of == base:
                self.previous[condition.id] = UNKNOWN

    def know(self, dice: random.Random) -> None:
        """As when a part is adopted."""
        condition = dice.choice(self.plan.conditions)
        self.previous[condition.id] = dice.choice((FALSE, UNKNOWN, TRUE))
        self.firing.know(self.plan.position(condition), self.previous[condition.id])

    def step(self, moving: NDArray[np.bool_]) -> None:
        shown, shown_before = np.empty_like(self.now), np.empty_like(self.before)
        judging_kernels.show(self.now, shown)
        judging_kernels.show(self.before, shown_before)
        changed = self.truths.judge(judging_kernels, shown, shown_before, moving)
        fired = self.firing.fire(judging_kernels, self.truths.array, changed, moving)
        expected = []
        for position, condition in enumerate(self.plan.conditions):
            base = int(self.plan.base[position])
            truth = self.truth(base, condition.tree)
            assert self.truths.array[self.plan.roots[position]] == truth, condition.tree
            if moving[base]:
                was, self.previous[condition.id] = self.previous[condition.id], truth
                if truth == TRUE and (condition.momentary or was == FALSE):
                    expected.append(position)
            assert self.firing.previous(position) == self.previous[condition.id], condition.tree
        assert fired.tolist() == expected

    def truth(self, base: int, node: Node) -> int:
        if isinstance(node, All):
            return min(self.truth(base, child) for child in node.children)
        assert isinstance(node, Comparison)
        assert isinstance(node.left, Price)
        assert isinstance(node.right, Number)
        slot = self.plan.layout.slot(self.plan.series[base], node.left)
        now, before, constant = float(self.now[slot]), float(self.before[slot]), node.right.value
        if node.operator == "crosses_above":
            return min(_compared(">", now, constant), _compared("<=", before, constant))
        if node.operator == "crosses_below":
            return min(_compared("<", now, constant), _compared(">=", before, constant))
        return _compared(node.operator, now, constant)


def _compared(operator: str, left: float, right: float) -> int:
    if not np.isfinite(left):
        return UNKNOWN
    return TRUE if {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator] else FALSE


def next_value(dice: random.Random, value: float) -> float:
    kind = dice.random()
    if kind < 0.5 and np.isfinite(value):
        return value + dice.choice((0.0, 0.5, -0.5, 0.25, -0.25, 1e-12, 1.5))
    if kind < 0.65:
        return dice.choice((0.0, -0.0, np.nan, np.inf, -np.inf, 1e9, -1e9))
    return dice.randint(-22, 22) / dice.choice((1, 2, 3))


@pytest.mark.parametrize("seed", range(24))
def test_thresholds_are_judged_as_if_one_by_one(seed: int) -> None:
    dice, hub = random.Random(seed), Hub()
    hub.extend(random_conditions(dice, dice.randint(10, 400)))
    for _ in range(25):
        bases = len(hub.plan.series)
        moving = np.array([dice.random() < 0.7 for _ in range(bases)])
        for slot, owner in enumerate(hub.plan.owners.tolist()):
            # A series can step without being judged: another one has a hole in that slot.
            if moving[owner] or dice.random() < 0.2:
                hub.before[slot], hub.now[slot] = hub.now[slot], next_value(dice, hub.now[slot])
        hub.step(moving)
        kind = dice.random()
        if kind < 0.1:
            hub.extend(random_conditions(dice, dice.randint(1, 40)))
        elif kind < 0.2:
            hub.sort()
        elif kind < 0.3:
            hub.forget(dice.randrange(bases))
        elif kind < 0.4:
            hub.know(dice)


def test_many_thresholds_have_runs_of_one_slot() -> None:
    """The conditions of the test above do have the runs that it is about."""
    hub = Hub()
    hub.extend(random_conditions(random.Random(1), 300))
    of_one_slot = hub.plan.program.runs[hub.plan.program.runs[:, 1] == ONE_SLOT]
    assert len(of_one_slot) > 10
    assert (of_one_slot[:, 3] - of_one_slot[:, 2]).max() > 16
