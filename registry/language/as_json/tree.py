"""From the JSON of a tree to the tree, level by level."""

from collections.abc import Mapping

from common.errors import ConditionError
from condition_hub.json_pointers import step
from registry.groups import Series
from registry.language import vocabulary
from registry.language.as_json import flat
from registry.language.as_json.objects import (
    Amount,
    JsonObject,
    OperatorWord,
    Word,
    pointing_at,
    shown,
    validated,
)
from registry.language.as_json.operands import OperandReader
from registry.language.as_text import text
from registry.language.limits import LEVELS_OF_THEN, TYPED, check_bars, check_count, too_many
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend, check_comparison
from registry.language.time_windows import During, read_part
from registry.language.tree import All, Any, AtLeast, Before, Comparison, Every, For, Not, Within

COMPOSITES = ("all", "any", "not", "at_least", "for", "within", "before", "then", "during", "every")
"""A tree that is not a comparison has exactly one of these fields."""


_MOST_DAYS = 7


class _Counted(JsonObject):
    count: Amount
    of: object


class _Lasting(JsonObject):
    bars: Amount
    of: object


class _Order(JsonObject):
    first: object
    second: object
    bars: Amount


class _Window(JsonObject):
    start: Word | None = None
    end: Word | None = None
    days: object = None
    zone: Word | None = None


class _Comparison(JsonObject):
    left: object
    operator: OperatorWord
    right: object


class _Channel(JsonObject):
    value: object
    operator: OperatorWord
    low: object
    high: object


class _Move(JsonObject):
    value: object
    operator: OperatorWord
    amount: object = None
    percent: Amount | None = None
    bars: Amount = 1


class _Trend(JsonObject):
    value: object
    operator: OperatorWord
    bars: Amount = 1


class TreeReader:
    """Reads trees of conditions of one series."""

    def __init__(self, base: Series) -> None:
        self._base = base
        self._nodes_read = 0
        self._operands = OperandReader(base)
        self._operand = self._operands.operand

    def node(self, data: object, pointer: str, depth: int = 1) -> SurfaceNode:
        """The tree at ``pointer``."""
        # Counted on the way down: lists may be nested by reference, again and again.
        self._nodes_read += 1
        if self._nodes_read > TYPED.levels * TYPED.leaves:
            raise ConditionError(too_many(TYPED), pointer=pointer)
        if depth > TYPED.levels:
            raise ConditionError(
                f"the tree is nested too deeply; at most {TYPED.levels} levels are allowed, comparison included",
                pointer=pointer,
            )
        if isinstance(data, str):
            self._operands.count_text(data, pointer)
            with pointing_at(pointer):
                tree = text.parse_expression(data, self._base)
                if isinstance(tree, Every) and depth > 1:
                    raise ConditionError("every is allowed only at the top of a condition")
                return tree
        if not isinstance(data, Mapping):
            raise ConditionError(f"a condition is an object or text, got {shown(data)}", pointer=pointer)
        kinds = [kind for kind in COMPOSITES if kind in data]
        if not kinds:
            return self._leaf(data, pointer, depth)
        if len(data) != 1:
            raise ConditionError(
                f"an object with {kinds[0]} has no other fields; put the others into objects of their own",
                pointer=pointer,
            )
        return self._composite(kinds[0], data[kinds[0]], step(pointer, kinds[0]), depth)

    def _composite(  # noqa: PLR0911 - one return for each kind of node
        self, kind: str, data: object, pointer: str, depth: int
    ) -> SurfaceNode:
        match kind:
            case "all":
                return All(self._nodes(data, pointer, depth))
            case "any":
                return Any(self._nodes(data, pointer, depth))
            case "not":
                return Not(self.node(data, pointer, depth + 1))
            case "before":
                return Before(self.node(data, pointer, depth + 1))
            case "during":
                return _during(validated(_Window, _object(data, pointer), pointer), pointer)
            case "then":
                return self._then(validated(_Order, _object(data, pointer), pointer), pointer, depth)
            case "every":
                if depth > 1:
                    raise ConditionError("every is allowed only at the top of a condition", pointer=pointer)
                return Every(self.node(data, pointer, depth + 1))
            case "at_least":
                counted = validated(_Counted, _object(data, pointer), pointer)
                children = self._nodes(counted.of, step(pointer, "of"), depth)
                with pointing_at(pointer, "count"):
                    return AtLeast(check_count(counted.count, len(children)), children)
        lasting = validated(_Lasting, _object(data, pointer), pointer)
        with pointing_at(pointer, "bars"):
            bars = check_bars(lasting.bars)
        return (For if kind == "for" else Within)(self.node(lasting.of, step(pointer, "of"), depth + 1), bars)

    def _then(self, order: _Order, pointer: str, depth: int) -> Then:
        with pointing_at(pointer, "bars"):
            bars = check_bars(order.bars)
        first = self.node(order.first, step(pointer, "first"), depth + LEVELS_OF_THEN)
        return Then(first, self.node(order.second, step(pointer, "second"), depth + 1), bars)

    def _nodes(self, data: object, pointer: str, depth: int) -> tuple[SurfaceNode, ...]:
        if not isinstance(data, list | tuple) or not data:
            raise ConditionError(f"expected a list of conditions, got {shown(data)}", pointer=pointer)
        if len(data) > TYPED.leaves:
            raise ConditionError(f"{len(data)} conditions; at most {TYPED.leaves} are allowed", pointer=pointer)
        return tuple(self.node(child, step(pointer, place), depth + 1) for place, child in enumerate(data))

    def _leaf(self, data: Mapping[str, object], pointer: str, depth: int) -> SurfaceNode:
        if "indicator" in data:
            return self._flat(data, pointer, depth)
        word = data.get("operator")
        if not isinstance(word, str):
            listed = " ".join(COMPOSITES)
            raise ConditionError(
                f"a condition needs an operator, or one of {listed}", pointer=step(pointer, "operator")
            )
        with pointing_at(pointer, "operator"):
            vocabulary.find_operator(word[:64])
        folded = vocabulary.fold(word)
        if folded in vocabulary.CHANNELS:
            channel = validated(_Channel, data, pointer)
            sides = [self._operand(getattr(channel, name), step(pointer, name)) for name in ("value", "low", "high")]
            with pointing_at(pointer):
                return Channel(vocabulary.CHANNELS[folded], *sides)
        if folded in vocabulary.MOVES:
            return self._move(validated(_Move, data, pointer), word, pointer)
        if folded in vocabulary.TRENDS:
            trend = validated(_Trend, data, pointer)
            value = self._operand(trend.value, step(pointer, "value"))
            with pointing_at(pointer, "bars"):
                bars = check_bars(trend.bars)
            with pointing_at(pointer, "value"):
                return Trend(vocabulary.TRENDS[folded], value, bars)
        comparison = validated(_Comparison, data, pointer)
        left = self._operand(comparison.left, step(pointer, "left"))
        right = self._operand(comparison.right, step(pointer, "right"))
        operator = vocabulary.COMPARISONS[folded]
        with pointing_at(pointer):
            if operator == "crosses":
                return Crosses(left, right)
            return check_comparison(Comparison(operator, left, right))

    def _move(self, move: _Move, word: str, pointer: str) -> PriceMove:
        operator, percent = vocabulary.MOVES[vocabulary.fold(word)]
        if (move.amount is None) is (move.percent is None):
            raise ConditionError(f"{operator} needs either amount or percent", pointer=step(pointer, "amount"))
        value = self._operand(move.value, step(pointer, "value"))
        field = "amount" if move.percent is None else "percent"
        amount = self._operand(getattr(move, field), step(pointer, field))
        with pointing_at(pointer, "bars"):
            bars = check_bars(move.bars)
        with pointing_at(pointer, field):
            return PriceMove(operator, value, amount, percent or move.percent is not None, bars)

    def _flat(self, data: Mapping[str, object], pointer: str, depth: int) -> SurfaceNode:
        """A comparison as bots send it, on the condition's own series."""
        for field in ("symbol", "exchange", "timeframe", "fire"):
            if field in data and (field != "fire" or depth > 1):
                raise ConditionError(
                    f"{field} belongs to the whole condition; for a single operand, name it in left or right",
                    pointer=step(pointer, field),
                )
        return flat.node(validated(flat.FlatCondition, data, pointer), self._base, pointer)


def _during(window: _Window, pointer: str) -> During:
    if (window.start is None) is not (window.end is None):
        missing = "start" if window.start is None else "end"
        raise ConditionError(f"{missing} is missing; a window has both times or none", pointer=step(pointer, missing))
    days = [] if window.days is None else window.days
    if not isinstance(days, list | tuple) or len(days) > _MOST_DAYS:
        message = f'days must be a list of up to {_MOST_DAYS} such as ["mon-fri"], got {shown(days)}'
        raise ConditionError(message, pointer=step(pointer, "days"))
    for place, day in enumerate(days):
        with pointing_at(step(step(pointer, "days"), place)):
            if not isinstance(day, str) or not isinstance(read_part(day), frozenset):
                raise ConditionError(f"a weekday is one such as mon, or several such as mon-fri, got {shown(day)}")
    times = [f"{window.start}-{window.end}"] if window.start is not None else []
    zones = [window.zone] if window.zone is not None else []
    for field, parts, kind in (("start", times, tuple), ("zone", zones, str)):
        with pointing_at(pointer, field):
            if not all(isinstance(read_part(part), kind) for part in parts):
                raise ConditionError(f"{shown(parts[0])} is no {'time range' if kind is tuple else 'time zone'}")
    with pointing_at(pointer):
        return During.of([*times, *days, *zones])


def _object(data: object, pointer: str) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        raise ConditionError(f"expected an object, got {shown(data)}", pointer=pointer)
    return data
