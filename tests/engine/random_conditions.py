"""Random conditions that come true now and then: constants are values that the operand really had."""

import random
from collections.abc import Sequence

import numpy as np

from common.errors import HubError
from indicators.catalogue import catalogue
from registry.conditions import Condition
from registry.groups import Series
from registry.language.as_text.text import parse_operand
from registry.language.limits import MOST_NESTED
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Trend, children_of, operands_of
from registry.language.time_windows import During
from registry.language.tree import (
    Arithmetic,
    Comparison,
    Function,
    IndicatorOutput,
    Operand,
    Price,
    nested_source,
    parts_of,
    variables,
)
from tests.engine.oracle_formulae import FORMULAE, Value
from tests.engine.slow_oracle import DAY_MS, MINUTE_MS, Oracle, length_of

PRICES = ("open", "high", "low", "close", "hl2", "hlc3", "ohlc4")


class Conditions:
    """Makes conditions on series for which ``oracle`` has candles."""

    def __init__(self, dice: random.Random, oracle: Oracle, series: Sequence[Series]) -> None:
        self._dice = dice
        self._oracle = oracle
        self._series = list(series)
        self._known: dict[Series, list[str]] = {}
        """What was already asked of a series, to be asked again in other combinations."""
        there = catalogue()
        self._indicators = [name for name in FORMULAE if name in there]
        self._with_source = [name for name in self._indicators if there[name].has_source]

    def some(self, count: int, among: Sequence[Series]) -> list[Condition]:
        """Different conditions whose base series are ``among`` those."""
        bases = [series for series in self._series if series in among]
        made: dict[str, Condition] = {}
        while len(made) < count:
            base = self._dice.choice(bases)
            text = self._tree(base, self._dice.choice((0, 0, 1, 1, 2)))
            if self._dice.random() < 0.4:
                text = f"every({text})"
            try:
                condition = Condition.parse(f"{base}: {text}")
            except HubError:
                # It cannot be written: an empty channel, or a constant beyond 1e15.
                continue
            made[condition.id] = condition
        return list(made.values())

    def _tree(self, base: Series, depth: int) -> str:
        dice = self._dice
        if depth == 0:
            known = self._known.setdefault(base, [])
            if known and dice.random() < 0.3:
                return dice.choice(known)
            known.append(self._leaf(base))
            return known[-1]
        below = [self._tree(base, dice.randrange(depth)) for _ in range(dice.randint(2, 4))]
        match dice.choice(("all", "any", "of", "of", "not", "for", "within", "before", "then", "gate")):
            case "all" | "any" as word:
                return f"{word}({', '.join(below)})"
            case "of":
                return f"{dice.randint(1, len(below))} of ({', '.join(below)})"
            case "not":
                return f"not ({below[0]})"
            case "before":
                return f"before({below[0]})"
            case "gate":
                gate = f"{dice.choice(('', '', 'not '))}{random_window(dice, base.timeframe)}"
                return dice.choice(
                    (f"all({gate}, {below[0]})", f"any({gate}, {below[0]})", f"2 of ({gate}, {below[0]}, {below[1]})")
                )
            case "then":
                return f"({below[0]}) then ({below[1]}) within {self._bars()} bars"
            case word:
                return f"({below[0]}) {word} {self._bars()} bars"

    def _bars(self) -> int:
        """Mostly few, as what lasts long is rarely true; now and then more than the history may have."""
        return self._dice.choice((1, 2, 2, 3, 3, 4, 5, 5, 17, 60))

    def _leaf(self, base: Series) -> str:
        dice = self._dice
        left, unit = self._operand(base)
        kind = dice.random()
        if kind < 0.08:
            return f"{left} {dice.choice(('rising', 'falling'))} {dice.randint(1, 3)} bars"
        if kind < 0.16:
            amount = f"{dice.choice((0.05, 0.2, 0.5, 1))}%" if dice.random() < 0.5 else self._change(base, left)
            if unit and dice.random() < 0.2:
                amount = f"{self._like(base, unit) or left} * 0.003"
            return f"{left} {dice.choice(('rises_by', 'falls_by'))} {amount} within {dice.randint(1, 4)} bars"
        if kind < 0.3:
            bounds = sorted((self._constant(base, left), self._constant(base, left)), key=float)
            return f"{left} {dice.choice(('between', 'outside', 'enters', 'exits'))} {bounds[0]} and {bounds[1]}"
        operator = dice.choice(("<", "<=", ">", ">=", "crosses_above", "crosses_below", "crosses"))
        right = self._like(base, unit) if unit and kind < 0.65 else None
        if right is None or right == left:
            right = self._constant(base, left)
        return f"{left} {operator} {right}"

    def _operand(self, base: Series) -> tuple[str, str]:
        """An operand, and the unit of operands that it can be compared with ('' for none)."""
        dice = self._dice
        atom, unit = self._atom(base)
        kind = dice.random()
        if kind < 0.75:
            return atom, unit
        if kind < 0.85:
            other = self._like(base, unit) if unit else None
            return (f"({atom} - {other})", "") if other and other != atom else (f"{atom} * 1.01", unit)
        if kind < 0.92:
            return f"{atom} {dice.choice('+-')} {dice.choice((0.5, 1, 3))}", unit
        other, _ = self._atom(base)
        if kind < 0.96:
            return f"({atom} {dice.choice('*/+')} {other})", ""
        like = self._like(base, unit) if unit else None
        if like is None:
            return f"abs({atom} - {other})", ""
        sides = [atom, like, self._like(base, unit) or like][: dice.choice((2, 2, 3))]
        return f"{dice.choice(('min', 'max'))}({', '.join(sides)})", unit

    def _like(self, base: Series, unit: str) -> str | None:
        for _ in range(40):
            atom, its_unit = self._atom(base)
            if its_unit == unit:
                return atom
        return None

    def _atom(self, base: Series) -> tuple[str, str]:
        dice = self._dice
        place, series = self._place(base)
        offset = f"[{dice.choice((1, 1, 2, 3, 7))}]" if dice.random() < 0.25 else ""
        if dice.random() < 0.35:
            field = dice.choice((*PRICES, "close", "volume"))
            return f"{field}{offset}{place}", "" if field == "volume" else f"price of {series.instrument}"
        call, unit = self._indicator(self._indicators, f"price of {series.instrument}", MOST_NESTED)
        return f"{call}{offset}{place}", unit

    def _indicator(self, names: Sequence[str], unit_of_price: str, levels: int) -> tuple[str, str]:
        """An output of one of these indicators, with at most so many levels, and its unit."""
        dice = self._dice
        name = dice.choice(names)
        formula, record = FORMULAE[name], catalogue()[name]
        arguments = [f"{number:g}" for number in dice.choice(formula.choices)]
        unit_of_source = unit_of_price
        if record.has_source and dice.random() < 0.12:
            source, unit_of_source = self._source(unit_of_price, levels - 1)
            arguments.append(source)
        output = dice.choice([output.name for output in record.outputs if output.name in formula.outputs])
        unit = {"price": unit_of_source, "percent": f"percent of {name}"}.get(formula.outputs[output], "")
        dot = f".{output}" if len(record.outputs) > 1 else ""
        return f"{name}({', '.join(arguments)}){dot}" if arguments else f"{name}{dot}", unit

    def _source(self, unit_of_price: str, levels: int) -> tuple[str, str]:
        """What an indicator is computed from, and its unit."""
        dice = self._dice
        kind = dice.random()
        if kind < 0.4 or levels == 0:
            field = dice.choice((*PRICES, "volume"))
            return field, "" if field == "volume" else unit_of_price
        if kind < 0.55:
            if levels > 1 and dice.random() < 0.5:
                inner, _ = self._indicator(self._with_source, unit_of_price, levels - 1)
                return f"{inner} {dice.choice('+-*')} {dice.choice((0.5, 2, 7))}", ""
            return dice.choice(
                (
                    "high - low",
                    "close - open",
                    "(close - low) / (high - low)",
                    "2 * hl2 - close",
                    "abs(close - open)",
                    "max(open, close, hl2) - low",
                    "abs(min(open, close, low) - 2 * high)",
                )
            ), ""
        return self._indicator(self._with_source, unit_of_price, levels)

    def _place(self, base: Series) -> tuple[str, Series]:
        length = length_of(base.timeframe)
        fitting = [candidate for candidate in self._series if length_of(candidate.timeframe) % length == 0]
        series = base if self._dice.random() < 0.7 else self._dice.choice(fitting)
        symbol = "" if series.instrument == base.instrument else f"@{series.instrument}"
        return symbol + ("" if series.timeframe == base.timeframe else f"@{series.timeframe}"), series

    def _constant(self, base: Series, operand: str) -> str:
        """A value that an exact operand had, sometimes to the last bit, or one near a value of a computed operand."""
        dice, (values, errors) = self._dice, self._recent(base, operand)
        for _ in range(8 if values.size else 0):
            value = float(values[dice.randrange(values.size)])
            if not errors.any():
                return repr(value) if dice.random() < 0.3 else f"{value:.4g}"
            text = f"{value * (1 + dice.choice((-1e-3, 1e-3))):.4g}"
            # Where many values are equal (0 % and 100 %), comparing with them is a matter of rounding.
            if not (np.abs(values - float(text)) <= 100 * errors).any():
                return text
        return f"{dice.choice((-1, 1)) * dice.choice((0.0137, 1.37, 51.3))}"

    def _change(self, base: Series, operand: str) -> str:
        values, _ = self._recent(base, operand)
        moves = np.abs(np.diff(values)) if values.size > 1 else np.array([1.0])
        return f"{float(moves[self._dice.randrange(moves.size)]) * 1.001 + 1e-9:.3g}"

    def _recent(self, base: Series, operand: str) -> Value:
        """The operand's last values and their errors."""
        values, errors = self._oracle.value(base, parse_operand(operand, base))
        values, errors = values[-80:], errors[-80:]
        usable = np.isfinite(values) & (np.abs(values) < 1e12)
        return values[usable], errors[usable]


def random_window(dice: random.Random, timeframe: str) -> str:
    """A time window in which candles of a timeframe open, by some clock."""
    days = dice.choice(("mon-fri", "sat-sun", "fri-mon", "tue, thu", "wed"))
    zone = dice.choice(("", "America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe"))
    start, lasts = 15 * dice.randrange(96), length_of(timeframe) // MINUTE_MS + 30 * dice.randrange(20)
    times = f"{start // 60:02}:{start % 60:02}-{(start + lasts) // 60 % 24:02}:{(start + lasts) % 60:02}"
    parts = [days] if length_of(timeframe) >= DAY_MS else dice.choice(([times], [days], [times, days]))
    return f"during({', '.join([*parts, zone] if zone else parts)})"


def constructs_of(condition: Condition) -> set[str]:
    """What of the language a condition uses, as it was written."""
    base = condition.series
    constructs: set[str] = set()
    nodes: list[SurfaceNode] = [condition.surface]
    operands: list[Operand] = []
    while nodes:
        node = nodes.pop()
        nodes += children_of(node)
        match node:
            case During():
                constructs.add("during" if node.zone == "UTC" else "during in a zone")
            case Comparison(operator) | Channel(operator) | Trend(operator) | PriceMove(operator):
                constructs.add(operator)
            case Crosses():
                constructs.add("crosses")
            case _:
                constructs.add(type(node).__name__.lower())
        if isinstance(node, PriceMove):
            constructs.add("a percentage" if node.percent else "an amount")
        if isinstance(node, Comparison | Crosses | Channel | PriceMove | Trend):
            operands += operands_of(node)
    while operands:
        operand = operands.pop()
        match operand:
            case Function(name) | Arithmetic(name):
                constructs.add(name)
                operands += parts_of(operand)
            case Price() | IndicatorOutput():
                constructs |= {"steps back"} if operand.offset else set()
                constructs |= {"another timeframe"} if operand.series.timeframe != base.timeframe else set()
                constructs |= {"another instrument"} if operand.series.instrument != base.instrument else set()
        if isinstance(operand, IndicatorOutput) and (source := nested_source(operand)) is not None:
            constructs.add("a nested source")
            operands.append(source)
            if any(isinstance(each, IndicatorOutput) for each in variables(source)):
                constructs.add("an indicator of an indicator")
    return constructs
