"""Judging very many conditions on one tick, against polars, numpy and DuckDB on the same values."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, at_most, figure, times
from benchmarks.scale import Scale
from benchmarks.timing import Measure, alternate, here
from engine import judging_kernels as kernels
from engine.firing import FiringState
from engine.plan import Plan
from engine.program import TRUE
from engine.truths import TruthState
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import normalise_instrument
from registry.language.tree import (
    All,
    AtLeast,
    Comparison,
    For,
    IndicatorOutput,
    Node,
    Number,
    Operator,
    Within,
    is_momentary,
)
from registry.language.tree import Any as AnyOf

_CONSTANT_NS, _SLOTS_NS, _COMPOSITE_NS, _OVER_OTHERS = 2.0, 2.0, 5.0, 40.0
_OPERATORS: tuple[Operator, Operator] = ("<", "crosses_above")
_STEPS = 16
"""Candles after which the values of a benchmark retrace their path."""


class Tick:
    """A plan whose values move a little from candle to candle, judged as the live evaluation does.

    On each candle some thresholds are crossed, most are not.
    """

    def __init__(self, plan: Plan, seed: int = 5) -> None:
        dice = np.random.default_rng(seed)
        self.plan = plan
        steps = dice.normal(0, 1, (_STEPS, plan.slots))
        there = dice.uniform(0, 100, plan.slots) + np.cumsum(steps, axis=0)
        self._walk = itertools.cycle([*there, *there[-2:0:-1]])
        self.before = self.now = next(self._walk)
        self._shown, self._shown_before = np.empty(plan.slots), np.empty(plan.slots)
        self._moving = plan.is_base.copy()
        self._truths = TruthState()
        self._truths.grow(plan.program)
        self._firing = FiringState()
        self._firing.grow(plan)

    @property
    def truth(self) -> NDArray[np.uint8]:
        return self._truths.array

    def judge(self) -> NDArray[np.int64]:
        """Move, judge and fire; returns the conditions that fired."""
        changed = self.judge_only()
        return self._firing.fire(kernels, self.truth, changed, self._moving)

    def judge_only(self) -> NDArray[np.int64]:
        """Move and judge without finding out what fires."""
        self.before, self.now = self.now, next(self._walk)
        kernels.show(self.now, self._shown)
        kernels.show(self.before, self._shown_before)
        return self._truths.judge(kernels, self._shown, self._shown_before, self._moving)


def conditions(scale: Scale, peers: Peers) -> Section:  # noqa: ARG001 - sections are called alike
    """Thresholds, slots against slots, composites."""
    thresholds, slots = _comparisons(scale, constants=True), _comparisons(scale, constants=False)
    count = scale.conditions
    rows, targets = [], []
    for made, title, aim in (
        (thresholds, "constants", _CONSTANT_NS),
        (slots, "slot against slot", _SLOTS_NS),
    ):
        measured, fired = _against_others(scale, made)
        ours = measured["Condition Hub"]
        for who, seconds in measured.items():
            rows.append([title, who, f"{seconds / count * 1e9:.2f}", times(seconds / ours)])
        best = min(seconds for who, seconds in measured.items() if who.startswith(("polars", "DuckDB")))
        targets.append(at_most(f"a comparison, {title}, judged and fired", aim, ours / count * 1e9, " ns"))
        targets.append(at_least(f"a comparison, {title}, over polars or DuckDB", _OVER_OTHERS, best / ours))
        rows.append([title, f"({fired:,} of them fired)", "", ""])
    composite_table, composite = _composites(scale)
    targets.append(at_most("a composite", _COMPOSITE_NS, composite, " ns"))
    remark = (
        f"{count:,} unique conditions over {scale.slots:,} values, half of them `<`, half `crosses_above`; the values "
        "move from tick to tick, and what is measured in turn finds its caches cold, as a real tick does. CPU time a "
        "condition. Ours is three-valued and says what fired; the others only find the truths, two-valued. All truths "
        "are compared with polars' before anything is timed. polars and numpy are given the conditions of each "
        "operator "
        "apart, and the place of each value: they gather and compare. DuckDB joins."
    )
    remark += (
        " Constants cost by the value and by what it passes, not by the condition. What is left is waiting for memory: "
        "a tick jumps to a few places for each value and operator, while polars and numpy read theirs from front to "
        "back. Slot against slot, a condition reads two values, or four, and what fires is looked for in all of them."
    )
    tables = [
        Table(remark, ("conditions", "who", "ns a condition", "time / ours"), rows),
        composite_table,
        _planning(count, (("constants", thresholds), ("slot against slot", slots))),
    ]
    return Section(f"Judging {count:,} unique conditions on one tick", tables, targets)


@dataclass(frozen=True)
class Made:
    """Conditions as a plan, and as columns for the peers: by operator, left and right slots or constants."""

    plan: Plan
    left: tuple[NDArray[np.int64], ...]
    right: tuple[NDArray[np.int64] | NDArray[np.float64], ...]
    seconds: float
    """CPU time of planning."""

    @property
    def are_constants(self) -> bool:
        return self.right[0].dtype == np.float64


def _comparisons(scale: Scale, *, constants: bool) -> Made:
    dice = np.random.default_rng(7)
    values, each = _values(scale.slots), scale.conditions // len(_OPERATORS)
    trees: list[Node] = []
    for operator in _OPERATORS:
        if constants:
            slots = np.sort(np.arange(each) % scale.slots)
            thresholds = np.round(dice.uniform(0, 100, each), 9)
            trees += [
                Comparison(operator, values[left], Number(right))
                for left, right in zip(slots.tolist(), thresholds.tolist(), strict=True)
            ]
        else:
            pairs = np.sort(dice.choice(scale.slots * (scale.slots - 1) // 2, each, replace=False)).tolist()
            trees += [Comparison(operator, *(values[at] for at in _pair(pair))) for pair in pairs]
    parsed = [_condition(number, tree) for number, tree in enumerate(trees)]
    plan = Plan("1h")
    started = process_time()
    plan.extend(parsed)
    seconds = process_time() - started
    program = plan.program
    lefts: list[NDArray[np.int64]] = []
    rights: list[NDArray[np.int64] | NDArray[np.float64]] = []
    for code in (0, 4):
        mine = np.flatnonzero(program.code.array == code)
        lefts.append(program.left.array[mine].copy())
        rights.append((program.constant if constants else program.right).array[mine].copy())
    return Made(plan, tuple(lefts), tuple(rights), seconds)


def _against_others(scale: Scale, made: Made) -> tuple[dict[str, float], int]:
    """CPU seconds of each way to find all truths, and the number of conditions that fired."""
    tick = Tick(made.plan)
    fired = [tick.judge().size for _ in range(3)][-1]
    now, before = tick.now, tick.before
    works = _polars(made, now, before) | _numpy(made, now, before) | _duckdb(made, now, before)
    wanted = [tick.truth[made.plan.program.code.array == code] == TRUE for code in (0, 4)]
    for who, work in works.items():
        for mine, theirs in zip(wanted, work(), strict=True):
            if "count" in who:
                assert int(mine.sum()) == int(theirs), who
            else:
                np.testing.assert_array_equal(mine, np.asarray(theirs, np.bool_), err_msg=who)
    measures: dict[str, Measure] = {
        "Condition Hub": here(tick.judge),
        "Condition Hub, without what fires": here(Tick(made.plan).judge_only),
    }
    return alternate(measures | {who: here(work) for who, work in works.items()}, scale.rounds), fired


Works = dict[str, Callable[[], Sequence[Any]]]


def _polars(made: Made, now: NDArray[np.float64], before: NDArray[np.float64]) -> Works:
    frames = [pl.DataFrame({"left": left, "right": right}) for left, right in zip(made.left, made.right, strict=True)]
    values = pl.DataFrame({"slot": np.arange(now.size), "now": now, "before": before})
    series_now, series_before = values["now"], values["before"]

    def right(slots: pl.Series) -> pl.Expr:
        return pl.col("right") if made.are_constants else pl.lit(slots).gather(pl.col("right"))

    def left(slots: pl.Series) -> pl.Expr:
        return pl.lit(slots).gather(pl.col("left"))

    less = left(series_now) < right(series_now)
    crosses = (left(series_now) > right(series_now)) & (left(series_before) <= right(series_before))

    def gather() -> list[pl.Series]:
        return [
            frame.select(expression.alias("truth"))["truth"]
            for frame, expression in zip(frames, (less, crosses), strict=True)
        ]

    def join() -> list[pl.Series]:
        truths = []
        for frame, operator in zip(frames, _OPERATORS, strict=True):
            joined = frame.join(values, left_on="left", right_on="slot", how="left", maintain_order="left")
            on, on_before = pl.col("right"), pl.col("right")
            if not made.are_constants:
                joined = joined.join(values, left_on="right", right_on="slot", how="left", suffix="_right",
                                     maintain_order="left")  # fmt: skip
                on, on_before = pl.col("now_right"), pl.col("before_right")
            is_less = pl.col("now") < on
            crossed = (pl.col("now") > on) & (pl.col("before") <= on_before)
            truths.append(joined.select((is_less if operator == "<" else crossed).alias("truth"))["truth"])
        return truths

    return {"polars, gather and compare": gather, "polars, join and compare": join}


def _numpy(made: Made, now: NDArray[np.float64], before: NDArray[np.float64]) -> Works:
    (left_less, left_cross), (right_less, right_cross) = made.left, made.right

    def work() -> list[NDArray[np.bool_]]:
        if made.are_constants:
            high = now[left_cross] > right_cross
            return [now[left_less] < right_less, high & (before[left_cross] <= right_cross)]
        high = now[left_cross] > now[right_cross]
        return [now[left_less] < now[right_less], high & (before[left_cross] <= before[right_cross])]

    return {"numpy, gather and compare": work}


def _duckdb(made: Made, now: NDArray[np.float64], before: NDArray[np.float64]) -> Works:
    database = duckdb.connect()
    database.execute("SET threads = 2")
    values = pl.DataFrame({"slot": np.arange(now.size), "now": now, "before": before})  # noqa: F841 - read by DuckDB
    database.execute("CREATE TABLE slots AS FROM values")
    for number, (left, right) in enumerate(zip(made.left, made.right, strict=True)):
        wanted = pl.DataFrame({"number": np.arange(left.size), "l": left, "r": right})  # noqa: F841
        database.execute(f"CREATE TABLE wanted{number} AS FROM wanted")
    joins = "JOIN slots g ON g.slot = l" + ("" if made.are_constants else " JOIN slots h ON h.slot = r")
    on, on_before = ("r", "r") if made.are_constants else ("h.now", "h.before")
    tests = (f"g.now < {on}", f"g.now > {on} AND g.before <= {on_before}")

    def truths() -> list[NDArray[np.bool_]]:
        columns = []
        for number, test in enumerate(tests):
            rows = database.execute(f"SELECT number, {test} AS truth FROM wanted{number} {joins}").fetchnumpy()
            truth = np.empty(rows["truth"].size, np.bool_)
            truth[rows["number"]] = rows["truth"]
            columns.append(truth)
        return columns

    def count() -> list[int]:
        return [
            database.execute(f"SELECT count(*) FROM wanted{number} {joins} WHERE {test}").fetchone()[0]  # type: ignore[index]
            for number, test in enumerate(tests)
        ]

    return {"DuckDB, join and compare": truths, "DuckDB, join and count": count}


def _composites(scale: Scale) -> tuple[Table, float]:
    """Composites over shared comparisons: their cost beyond those."""
    dice = np.random.default_rng(11)
    values = _values(scale.slots)
    levels = np.round(dice.uniform(0, 100, (scale.slots, 5)), 9).tolist()
    leaves = [Comparison(_OPERATORS[at % 2], values[slot], Number(level)) for slot in range(scale.slots)
              for at, level in enumerate(levels[slot])]  # fmt: skip
    leaf_plan = Plan("1h")
    leaf_plan.extend(_condition(number, tree) for number, tree in enumerate(leaves))
    bare = Tick(leaf_plan)
    number, rows, total, spent_in_all = scale.conditions // 5, [], 0, 0.0
    kinds: dict[str, Callable[[list[int]], Node]] = {
        "all of 2": lambda at: All((leaves[at[0]], leaves[at[1]])),
        "any of 3": lambda at: AnyOf((leaves[at[0]], leaves[at[1]], leaves[at[2]])),
        "2 of 3": lambda at: AtLeast(2, (leaves[at[0]], leaves[at[1]], leaves[at[2]])),
        "for 3 bars": lambda at: For(AnyOf((leaves[at[0]], leaves[at[1]])), 3),
        "within 5 bars": lambda at: Within(All((leaves[at[0]], leaves[at[1]])), 5),
    }
    for title, make in kinds.items():
        chosen = dice.integers(0, len(leaves), (number, 3)).tolist()
        trees = dict.fromkeys(make(at) for at in chosen if len(set(at)) == 3)
        plan = Plan("1h")
        plan.extend(_condition(place, tree) for place, tree in enumerate([*leaves, *trees]))
        tick, nodes = Tick(plan), plan.program.size - leaf_plan.program.size
        spent = alternate({"with": here(tick.judge_only), "without": here(bare.judge_only)}, scale.rounds)
        beyond = max(0.0, spent["with"] - spent["without"])
        total, spent_in_all = total + nodes, spent_in_all + beyond
        rows.append([title, f"{nodes:,}", f"{beyond / nodes * 1e9:.2f}"])
    mean = spent_in_all / total * 1e9
    rows.append(["**all of them**", f"{total:,}", f"{mean:.2f}"])
    remark = (
        f"Composites over {len(leaves):,} comparisons that they share, drawn at random, so memory is read at random: "
        "CPU "
        "time a composite, beyond the comparisons. `for` and `within` stand on a composite of their own, which counts."
    )
    return Table(remark, ("kind", "composites", "ns a composite"), rows), mean


def _planning(count: int, made: Sequence[tuple[str, Made]]) -> Table:
    rows = [[title, figure(planned.seconds), f"{count / planned.seconds:,.0f}"] for title, planned in made]
    remark = "Planning them at once (`Plan.extend`), from conditions that are parsed already."
    return Table(remark, ("conditions", "CPU seconds", "conditions a second"), rows)


_SERIES = Series(normalise_instrument("BTCUSDT", "BINANCE"), "1h")


def _values(slots: int) -> list[IndicatorOutput]:
    """``slots`` different values of one series."""
    names = ("sma", "ema", "rsi", "wma", "highest")
    return [
        IndicatorOutput(_SERIES, names[at % 5], (("period", 2 + at // 5),), "close", "value") for at in range(slots)
    ]


def _condition(number: int, tree: Node) -> Condition:
    """A condition without its text: a million of them are not parsed here."""
    return Condition(f"{number:032x}", "", _SERIES, tree, tree, "", is_momentary(tree), (_SERIES,), "")


def _pair(number: int) -> tuple[int, int]:
    """The pair (smaller, larger) with that number."""
    larger = int((1 + (1 + 8 * number) ** 0.5) // 2)
    while larger * (larger - 1) // 2 > number:
        larger -= 1
    while larger * (larger + 1) // 2 <= number:
        larger += 1
    return number - larger * (larger - 1) // 2, larger
