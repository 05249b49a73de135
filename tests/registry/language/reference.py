"""The reference for tests of the condition language: Kleene's logic over candles with gaps.

Slow, literal and written from the definitions of the language: every node that can be written is judged as it is
defined, and nothing is rewritten first. Of the code under test it knows only the nodes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from common.zones import zone
from registry.groups import Series
from registry.instruments import Instrument
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    Function,
    IndicatorOutput,
    Not,
    Number,
    Operand,
    Operator,
    Price,
    Variable,
    Within,
)

BITCOIN = Instrument("BINANCE", "BTCUSDT")
SERIES = Series(BITCOIN, "1h")
LONGER = Series(BITCOIN, "2h")
OTHER = Series(Instrument("BINANCE", "ETHUSDT"), "1h")
RATIO = {SERIES: 1, LONGER: 2, OTHER: 1}
"""Series -> slots of ``SERIES`` in one of its slots."""

OPENS_AT = int(datetime(2024, 11, 2, 22, tzinfo=UTC).timestamp())
"""When slot 0 of ``SERIES`` opens: on the Saturday evening before summer time ends in New York."""

Truth = bool | None
"""``None`` is UNKNOWN."""


@dataclass(frozen=True)
class History:
    """Slots of every series, oldest first: whether the candle exists, and the values on it.

    ``values`` are those of variables without steps back; a MACD's histogram is the difference of its two lines.
    """

    present: Mapping[Series, Sequence[bool]]
    values: Mapping[Variable, Sequence[float]]

    def value(self, operand: Operand, now: int) -> float:
        """The value at slot ``now`` of ``SERIES``; NaN where there is none."""
        match operand:
            case Number(value):
                return value
            case Arithmetic(operator, left, right):
                return calculate(operator, self.value(left, now), self.value(right, now))
            case Function(name, operands):
                values = [self.value(part, now) for part in operands]
                if not all(map(math.isfinite, values)):
                    return math.nan
                return {"abs": lambda: abs(values[0]), "min": lambda: min(values), "max": lambda: max(values)}[name]()
        # The last slot of the series that has closed: at the close of slot 4, two slots of twice the length have.
        last = (now + 1) // RATIO[operand.series] - 1
        first = last - operand.offset
        if first < 0 or not all(self.present[operand.series][first : last + 1]):
            return math.nan
        return self._at(replace(operand, offset=0), first)

    def _at(self, variable: Variable, slot: int) -> float:
        if isinstance(variable, IndicatorOutput) and (variable.indicator, variable.output) == ("macd", "histogram"):
            return self._at(replace(variable, output="line"), slot) - self._at(replace(variable, output="signal"), slot)
        return self.values[variable][slot]

    def before(self, now: int) -> int | None:
        """The slot of ``SERIES`` one step before, if there is a candle."""
        return now - 1 if now > 0 and self.present[SERIES][now - 1] else None


def calculate(operator: str, a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)) or (operator == "/" and b == 0):
        return math.nan
    result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else math.nan}[operator]
    return result if math.isfinite(result) else math.nan


def truth(node: SurfaceNode, history: History, now: int) -> Truth:
    """Kleene's truth of a tree at slot ``now`` of ``SERIES``, whose candle exists."""
    match node:
        case Not(child):
            return negated(truth(child, history, now))
        case Every(child):
            return truth(child, history, now)
        case All(children):
            return all_of(truth(child, history, now) for child in children)
        case Any(children):
            return any_of(truth(child, history, now) for child in children)
        case AtLeast(count, children):
            truths = [truth(child, history, now) for child in children]
            true, unknown = truths.count(True), truths.count(None)
            return True if true >= count else False if true + unknown < count else None
        case For(child, bars):
            return all_of(over_bars(child, bars, history, now))
        case Within(child, bars):
            return any_of(over_bars(child, bars, history, now))
        case During(start, end, days, zone_name):
            return is_open(start, end, days, datetime.fromtimestamp(OPENS_AT + 3600 * now, zone(zone_name)))
        case Before(child):
            earlier = history.before(now)
            return None if earlier is None else truth(child, history, earlier)
        case Then(first, second, bars):
            # Of the steps before: the first of the last N + 1 candles is the present one.
            earlier_ones = over_bars(first, bars + 1, history, now)[1:]
            return all_of((truth(second, history, now), any_of(earlier_ones)))
        case Comparison("crosses_above", left, right):
            return crossing(">", "<=", left, right, history, now)
        case Comparison("crosses_below", left, right):
            return crossing("<", ">=", left, right, history, now)
        case Comparison(operator, left, right):
            return compare(operator, left, right, history, now)
        case Crosses(left, right):
            up, down = crossing(">", "<=", left, right, history, now), crossing("<", ">=", left, right, history, now)
            return any_of((up, down))
        case Channel():
            return channel(node, history, now)
        case PriceMove(operator, value, amount, percent, bars):
            return any_of(moved(operator, value, amount, percent, steps, history, now) for steps in range(1, bars + 1))
        case Trend(operator, value, bars):
            sign: Operator = ">" if operator == "rising" else "<"
            return all_of(over_bars(Comparison(sign, value, back(value, 1)), bars, history, now))


def is_open(start: int, end: int, days: tuple[int, ...], clock: datetime) -> bool:
    """Whether a window that began on one of ``days``, yesterday or today, contains a time on the clock."""
    now = clock.replace(tzinfo=None)
    for began in (now.date(), now.date() - timedelta(days=1)):
        midnight = datetime.combine(began, time())
        closes = midnight + timedelta(minutes=end, days=end <= start)
        if began.weekday() in days and midnight + timedelta(minutes=start) <= now < closes:
            return True
    return False


def over_bars(child: SurfaceNode, bars: int, history: History, now: int) -> list[Truth]:
    truths: list[Truth] = []
    slot: int | None = now
    for _ in range(bars):
        truths.append(None if slot is None else truth(child, history, slot))
        slot = None if slot is None else history.before(slot)
    return truths


def crossing(after: str, first: str, left: Operand, right: Operand, history: History, now: int) -> Truth:
    earlier = history.before(now)
    was = None if earlier is None else compare(first, left, right, history, earlier)
    return all_of((compare(after, left, right, history, now), was))


def channel(node: Channel, history: History, now: int) -> Truth:
    def inside(slot: int) -> Truth:
        above = compare(">=", node.value, node.low, history, slot)
        return all_of((above, compare("<=", node.value, node.high, history, slot)))

    if node.operator == "between":
        return inside(now)
    if node.operator == "outside":
        return negated(inside(now))
    earlier = history.before(now)
    was = None if earlier is None else inside(earlier)
    if node.operator == "enters":
        return all_of((inside(now), negated(was)))
    return all_of((negated(inside(now)), was))


def moved(
    operator: str, value: Operand, amount: Operand, percent: bool, steps: int, history: History, now: int
) -> Truth:
    a, b = history.value(value, now), history.value(back(value, steps), now)
    difference = a - b if operator == "rises_by" else b - a
    by = history.value(amount, now)
    if not percent:
        return judged(">=", difference, by)
    return all_of((judged(">", b, 0.0), judged(">=", difference, b * (by / 100))))


def back(operand: Operand, steps: int) -> Operand:
    match operand:
        case Number():
            return operand
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, back(left, steps), back(right, steps))
        case Function(name, parts):
            return Function(name, tuple(back(part, steps) for part in parts))
        case Price() | IndicatorOutput():
            return replace(operand, offset=operand.offset + steps)


def compare(operator: str, left: Operand, right: Operand, history: History, now: int) -> Truth:
    return judged(operator, history.value(left, now), history.value(right, now))


def judged(operator: str, a: float, b: float) -> Truth:
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def negated(value: Truth) -> Truth:
    return None if value is None else not value


def all_of(truths: Iterable[Truth]) -> Truth:
    known = list(truths)
    return False if False in known else None if None in known else True


def any_of(truths: Iterable[Truth]) -> Truth:
    known = list(truths)
    return True if True in known else None if None in known else False


def fires(node: SurfaceNode, momentary: bool, history: History) -> list[int]:
    """The slots of ``SERIES`` on which a condition fires."""
    slots = [slot for slot, exists in enumerate(history.present[SERIES]) if exists]
    truths = {slot: truth(node, history, slot) for slot in slots}
    if momentary:
        return [slot for slot in slots if truths[slot] is True]
    return [slot for slot in slots if truths[slot] is True and truths.get(slot - 1) is False]
