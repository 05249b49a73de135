"""The columns that are judged: however they were put together, the truths are those of the words of the language.

Random trees over a few slots with values of all kinds are judged by a program that was extended in many steps and
sorted anew in between, and by the definitions of Kleene's logic, node by node.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine import judging_kernels
from engine.program import ALL, FALSE, ONE_SLOT, TRUE, UNKNOWN, BasedNode, Program, children
from engine.truths import TruthState
from registry.groups import Series
from registry.instruments import Instrument
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    AtLeast,
    Comparison,
    Every,
    For,
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Price,
    Within,
)

OPERATORS: tuple[Operator, ...] = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")
BASES = 3
Values = NDArray[np.float64]
FIELDS = ("open", "high", "low", "close", "volume")
SERIES = Series(Instrument("BINANCE", "BTCUSDT"), "1h")
SHARED = ("close", "volume")
"""Fields that all bases find in one slot, as they find a reading of their own series; others are a slot a base."""

VALUES = (0.0, -0.0, 1.0, 1.0 + 2**-52, -1.0, 5e-324, 1e308, np.inf, -np.inf, np.nan)


def slot_of(base: int, operand: Operand | During) -> int:
    assert isinstance(operand, Price)
    place = FIELDS.index(operand.field)
    return place if operand.field in SHARED else base * len(FIELDS) + place


def random_tree(dice: random.Random, depth: int) -> Node:
    if depth == 0:
        left = Price(SERIES, dice.choice(FIELDS))
        number = Number(dice.choice((0.0, 1.0, -1.0, 2.5, 1e-300)))
        right = number if dice.random() < 0.6 else Price(SERIES, dice.choice(FIELDS))
        return Comparison(dice.choice(OPERATORS), left, right)
    below = tuple(random_tree(dice, dice.randrange(depth)) for _ in range(dice.randint(2, 4)))
    kind = dice.randrange(7)
    if kind == 0:
        return All(below)
    if kind == 1:
        return Any(below)
    if kind == 2:
        return AtLeast(dice.randint(1, len(below)), below)
    if kind == 3:
        return Not(below[0])
    if kind == 4:
        return For(below[0], dice.randint(2, 5))
    if kind == 5:
        return Within(below[0], dice.randint(2, 5))
    return Every(below[0])


@dataclass
class Judged:
    """A program with its state, judged candle by candle, as an evaluator holds it."""

    program: Program = field(default_factory=Program)
    truths: TruthState = field(default_factory=TruthState)

    def extend(self, roots: Sequence[BasedNode]) -> None:
        self.program.extend(roots, slot_of)
        self.truths.grow(self.program)

    def compact(self) -> None:
        self.truths.sort(self.program)
        self.truths.grow(self.program)

    def judge(self, now: Values, before: Values, moving: NDArray[np.bool_]) -> None:
        shown, shown_before = np.empty_like(now), np.empty_like(before)
        judging_kernels.show(now, shown)
        judging_kernels.show(before, shown_before)
        self.truths.judge(judging_kernels, shown, shown_before, moving)

    def of(self, based: BasedNode) -> int:
        return int(self.truths.array[self.program.place(based)])


class Definition:
    """Truths by the words of the language. A node is UNKNOWN on the steps of its base before it was there."""

    def __init__(self) -> None:
        self.since: dict[BasedNode, int] = {}
        self.steps: dict[int, list[tuple[Values, Values]]] = {base: [] for base in range(BASES)}
        self._known: dict[tuple[BasedNode, int], int] = {}

    def add(self, roots: Sequence[BasedNode]) -> None:
        for root in roots:
            for based in nodes_of(root):
                self.since.setdefault(based, len(self.steps[based[0]]))

    def truth(self, based: BasedNode, step: int) -> int:
        """The truth on one of the base's steps."""
        if step < 0:
            return UNKNOWN
        if (based, step) not in self._known:
            self._known[based, step] = self._truth(based, step)
        return self._known[based, step]

    def _truth(self, based: BasedNode, step: int) -> int:
        base, node = based
        match node:
            case Comparison(operator, left, right):
                now, before = (
                    [_value(base, side, values) for side in (left, right)] for values in self.steps[base][step]
                )
                match operator:
                    case "crosses_above":
                        return min(_compared(">", *now), _compared("<=", *before))
                    case "crosses_below":
                        return min(_compared("<", *now), _compared(">=", *before))
                    case _:
                        return _compared(operator, *now)
            case Not(child):
                return {TRUE: FALSE, FALSE: TRUE, UNKNOWN: UNKNOWN}[self.truth((base, child), step)]
            case Every(child):
                return self.truth((base, child), step)
            case For(child, bars) | Within(child, bars):
                looked = range(step, step - bars, -1)
                truths = [self.truth((base, child), at) if at >= self.since[based] else UNKNOWN for at in looked]
            case _:
                truths = [self.truth((base, child), step) for child in children(node)]
        if isinstance(node, All | For):
            return FALSE if FALSE in truths else UNKNOWN if UNKNOWN in truths else TRUE
        if isinstance(node, Any | Within):
            return TRUE if TRUE in truths else UNKNOWN if UNKNOWN in truths else FALSE
        assert isinstance(node, AtLeast)
        if truths.count(TRUE) >= node.count:
            return TRUE
        return FALSE if truths.count(TRUE) + truths.count(UNKNOWN) < node.count else UNKNOWN


def _value(base: int, operand: Operand, values: Values) -> float:
    return operand.value if isinstance(operand, Number) else float(values[slot_of(base, operand)])


def _compared(operator: str, left: float, right: float) -> int:
    if not (np.isfinite(left) and np.isfinite(right)):
        return UNKNOWN
    return TRUE if {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator] else FALSE


def nodes_of(based: BasedNode) -> set[BasedNode]:
    base, node = based
    return {based}.union(*(nodes_of((base, child)) for child in children(node)))


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 8))
def test_however_it_was_put_together(dice: random.Random, rounds: int) -> None:
    """Extended and sorted in any order, in the middle of a run, every node has the truth that it has by definition."""
    judged, definition = Judged(), Definition()
    roots: list[BasedNode] = []
    now = np.array([dice.choice(VALUES) for _ in range(BASES * len(FIELDS))])
    for _ in range(rounds):
        fresh = [(dice.randrange(BASES), random_tree(dice, dice.randint(0, 3))) for _ in range(dice.randint(0, 3))]
        fresh += dice.sample(roots, min(len(roots), dice.randint(0, 1)))
        judged.extend(fresh)
        definition.add(fresh)
        roots += fresh
        if judged.program.size and dice.random() < 0.4:
            judged.compact()
        for _ in range(dice.randint(0, 3)):
            before, now = now, np.array([dice.choice(VALUES) for _ in range(now.size)])
            moving = np.array([dice.random() < 0.8 for _ in range(BASES)])
            for base in np.flatnonzero(moving).tolist():
                definition.steps[base].append((now, before))
            judged.judge(now, before, moving)
            for root in roots:
                if moving[root[0]]:
                    step = len(definition.steps[root[0]]) - 1
                    for based in nodes_of(root):
                        assert judged.of(based) == definition.truth(based, step), based


@pytest.mark.parametrize("operator", OPERATORS)
def test_many_constants_of_a_slot_are_judged_like_few(operator: Operator) -> None:
    """Enough of them for a run of their own, equal to the slot's value, next to it, and far from it."""
    numbers = (0.0, 1.0, 1.0 + 2**-52, -1.0, 5e-324, 1e-300, -1e-300, 2.5, -2.5, 1e14, -1e14, 0.5)
    roots = [(0, comparison("close", number, operator)) for number in numbers]
    judged, definition = Judged(), Definition()
    judged.extend(roots)
    definition.add(roots)
    assert judged.program.runs[:, 1].tolist() == [ONE_SLOT]
    everybody = np.ones(BASES, np.bool_)
    for step, (value, earlier) in enumerate(itertools.product(VALUES, VALUES)):
        now, before = np.full(BASES * len(FIELDS), value), np.full(BASES * len(FIELDS), earlier)
        definition.steps[0].append((now, before))
        judged.judge(now, before, everybody)
        for root in roots:
            assert judged.of(root) == definition.truth(root, step), (root, value, earlier)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_extended_bit_by_bit_is_extended_at_once(dice: random.Random) -> None:
    roots: list[BasedNode] = [(dice.randrange(BASES), random_tree(dice, dice.randint(0, 3))) for _ in range(12)]
    at_once, bit_by_bit, sorted_often = Judged(), Judged(), Judged()
    at_once.extend(roots)
    for root in roots:
        bit_by_bit.extend([root])
        sorted_often.extend([root])
        sorted_often.compact()
    for _ in range(6):
        now, before = (np.array([dice.choice(VALUES) for _ in range(BASES * len(FIELDS))]) for _ in range(2))
        moving = np.array([dice.random() < 0.8 for _ in range(BASES)])
        for judged in (at_once, bit_by_bit, sorted_often):
            judged.judge(now, before, moving)
        for based in set().union(*map(nodes_of, roots)):
            assert at_once.of(based) == bit_by_bit.of(based) == sorted_often.of(based)
    assert at_once.program.size == bit_by_bit.program.size == sorted_often.program.size
    bit_by_bit.compact()
    assert np.array_equal(bit_by_bit.program.runs[:, :4], sorted_often.program.runs[:, :4])
    assert len(bit_by_bit.program.runs) <= len(at_once.program.runs)


def check_runs(program: Program) -> None:
    """Runs cover all truths in order; each is of one kind; what a truth depends on stands in a run before."""
    runs = program.runs
    assert runs[0, 2] == 0
    assert runs[-1, 3] == program.size
    assert (runs[1:, 2] == runs[:-1, 3]).all()
    run_of = np.repeat(np.arange(len(runs)), runs[:, 3] - runs[:, 2])
    for number, (code, form, first, stop, slot) in enumerate(runs.tolist()):
        assert (program.code.array[first:stop] == code).all()
        if form == ONE_SLOT:
            assert (program.left.array[first:stop] == slot).all()
        for truth in range(first, stop if code >= ALL else first):
            at, count = program.left.array[truth], program.right.array[truth]
            assert (run_of[program.children.array[at : at + count]] < number).all()


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_sorting_leaves_as_few_runs_as_there_can_be(dice: random.Random) -> None:
    program = Program()
    for _ in range(10):
        program.extend([(dice.randrange(BASES), random_tree(dice, dice.randint(0, 2))) for _ in range(3)], slot_of)
        check_runs(program)
    program.compact()
    check_runs(program)
    runs = program.runs
    kinds = [
        (level, code, form, slot)
        for level, (code, form, _, _, slot) in zip(program.level.array[runs[:, 2]], runs.tolist(), strict=True)
    ]
    # A slot with many constants has a run of its own, and may stand in the middle of those with few.
    whole = [
        kind
        for kind in kinds
        if kind[2] == ONE_SLOT or ONE_SLOT not in {other[2] for other in kinds if other[:2] == kind[:2]}
    ]
    assert len(whole) == len(set(whole))
    again = program.runs.copy()
    program.compact()
    assert np.array_equal(program.runs, again), "sorting what is sorted changes nothing"


def comparison(field_: str, number: float, operator: Operator = "<") -> Comparison:
    return Comparison(operator, Price(SERIES, field_), Number(number))


def test_leaves_of_two_bases_that_read_the_same_slots_are_one() -> None:
    program = Program()
    program.extend(
        [(0, comparison("close", 30.0)), (1, comparison("close", 30.0)), (0, comparison("open", 30.0))], slot_of
    )
    assert program.size == 2
    assert program.place((0, comparison("close", 30.0))) == program.place((1, comparison("close", 30.0)))
    program.extend([(2, comparison("close", 30.0)), (1, comparison("open", 30.0))], slot_of)
    assert program.size == 3, "open is another slot for another base"
    both = All((comparison("close", 30.0), comparison("open", 30.0)))
    program.extend([(0, both), (1, both)], slot_of)
    assert program.size == 5
    places = {based: program.place(based) for based in ((0, both), (1, both), (2, comparison("close", 30.0)))}
    numbers = {based: program.number_of(based) for based in places}
    moved = program.compact()
    for based, place in places.items():
        assert program.place(based) == moved[place]
        assert program.number_of(based) == numbers[based]
        assert program.places(np.array([numbers[based]])).tolist() == [moved[place]]
    program.extend([(1, comparison("close", 30.0)), (0, both)], slot_of)
    assert program.size == 5, "what is there is found after sorting too"


def test_what_differs_is_not_shared() -> None:
    program = Program()
    leaves = [
        comparison("close", 30.0),
        comparison("close", 31.0),
        comparison("close", 30.0, "<="),
        comparison("volume", 30.0),
        Comparison("<", Price(SERIES, "close"), Price(SERIES, "volume")),
        Comparison("<", Price(SERIES, "close"), Price(SERIES, "open")),
    ]
    program.extend([(0, leaf) for leaf in leaves], slot_of)
    assert program.size == len(leaves)
    program.extend([(0, For(leaves[0], 2)), (0, For(leaves[0], 3)), (1, For(leaves[0], 2))], slot_of)
    assert program.size == len(leaves) + 3


def test_many_constants_of_a_slot_have_a_run_of_their_own() -> None:
    program = Program()
    roots = [(0, comparison("close", float(number))) for number in range(7)]
    program.extend([*roots, (0, comparison("volume", 1.0))], slot_of)
    assert program.runs.tolist() == [[0, 1, 0, 8, -1]]
    program = Program()
    program.extend([*roots, (0, comparison("close", 9.0)), (0, comparison("volume", 1.0))], slot_of)
    close, volume = FIELDS.index("close"), FIELDS.index("volume")
    assert program.runs.tolist() == [[0, ONE_SLOT, 0, 8, close], [0, 1, 8, 9, -1]]
    assert program.left.array.tolist() == [close] * 8 + [volume]


def test_scattered_means_many_short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import program as module

    monkeypatch.setattr(module, "_SHORT_RUNS", 5)
    program = Program()
    program.extend([(0, comparison("close", 0.0)), (0, comparison("close", 0.0, "<="))], slot_of)
    assert len(program.runs) == 2
    for number in range(1, 8):
        assert not program.is_scattered
        program.extend([(0, comparison("close", float(number), OPERATORS[number % 2]))], slot_of)
        assert len(program.runs) == 2 + number
    program.extend([(0, comparison("close", 8.5))], slot_of)
    assert program.is_scattered
    program.compact()
    assert not program.is_scattered
    assert len(program.runs) == 2
