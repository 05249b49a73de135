"""From the JSON of an operand to the operand: a number, a text, a price, an indicator's output, or arithmetic."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import cast

from common.errors import ConditionError
from condition_hub.json_pointers import step
from indicators.catalogue import Indicator
from registry.groups import Series
from registry.language import vocabulary
from registry.language.as_json.objects import (
    Amount,
    Amounts,
    JsonObject,
    SymbolText,
    Word,
    number,
    pointing_at,
    shown,
    validated,
)
from registry.language.as_text import text
from registry.language.functions import FUNCTIONS, check_function
from registry.language.limits import TYPED, too_many_operands
from registry.language.places import HERE, Place
from registry.language.sources import source_of
from registry.language.tree import (
    Arithmetic,
    ArithmeticOperator,
    Function,
    FunctionName,
    IndicatorOutput,
    Number,
    Operand,
    Price,
)

_SIGNS = ("+", "-", "*", "/")


class _Placed(JsonObject):
    offset: Amount = 0
    timeframe: Word | None = None
    symbol: SymbolText | None = None


class _Price(_Placed):
    price: Word


class _Indicator(_Placed):
    indicator: Word
    params: Amounts | None = None
    period: Amount | None = None
    output: Word | None = None
    source: object = None


class _Arithmetic(JsonObject):
    left: object
    operator: Word
    right: object


_DEEPEST = TYPED.operands + TYPED.parentheses
"""Objects within objects: signs stand between operands, functions have parentheses."""


class OperandReader:
    """Reads operands of conditions of one series."""

    def __init__(self, base: Series) -> None:
        self._base = base
        self._parts = self._depth = 0
        """Of the operand that is being read: how many objects and texts there are, and how deep it is in them."""
        self._characters = 0

    def count_text(self, text: str, pointer: str) -> None:
        """Count one of the texts of the condition: all together may be as long as a condition that is a text."""
        self._characters += len(text)
        if self._characters > TYPED.characters:
            raise ConditionError(
                f"the texts in the condition have more than {TYPED.characters} characters; write a smaller condition",
                pointer=pointer,
            )

    def operand(self, data: object, pointer: str) -> Operand:
        """The operand at ``pointer``."""
        self._parts = self._depth = 0
        return self._operand(data, pointer, HERE)

    def source(self, record: Indicator, data: object, pointer: str, outer: Place) -> str | Operand | None:
        """The source in the object at ``pointer``, of an indicator that is read at ``outer``."""
        pointer = step(pointer, "source")
        operand = None if data is None else self._operand(data, pointer, replace(outer, steps=0))
        with pointing_at(pointer):
            return source_of(record, operand, outer.series(self._base))

    def _operand(self, data: object, pointer: str, outer: Place) -> Operand:
        """The operand at ``pointer`` inside something at ``outer``."""
        # Counted on the way down: objects may be nested by reference, again and again. Operands are counted once they
        # have been read: here nothing is refused that could be written as a text.
        self._parts += 1
        self._depth += 1
        if self._parts > TYPED.tokens or self._depth > _DEEPEST:
            raise ConditionError(too_many_operands(TYPED), pointer=pointer)
        operand = self._read(data, pointer, outer)
        self._depth -= 1
        return operand

    def _read(self, data: object, pointer: str, outer: Place) -> Operand:
        if isinstance(data, str):
            self.count_text(data, pointer)
            with pointing_at(pointer):
                return text.parse_operand(data, self._base, outer)
        if not isinstance(data, Mapping):
            if isinstance(data, int | float):
                return Number(number(data, pointer))
            raise ConditionError(f"an operand is a number, an object or text, got {shown(data)}", pointer=pointer)
        if "price" in data:
            return self._price(validated(_Price, data, pointer), pointer, outer)
        if "indicator" in data:
            return self._indicator(validated(_Indicator, data, pointer), pointer, outer)
        for name in FUNCTIONS:
            if name in data:
                return self._function(name, data, pointer, outer)
        if "operator" not in data:
            raise ConditionError(
                f"an operand needs one of price, indicator, operator, {', '.join(FUNCTIONS)}", pointer=pointer
            )
        arithmetic = validated(_Arithmetic, data, pointer)
        if arithmetic.operator not in _SIGNS:
            message = f"the operator of an operand is one of {' '.join(_SIGNS)}, got {shown(arithmetic.operator)}"
            raise ConditionError(message, pointer=step(pointer, "operator"))
        return Arithmetic(
            cast(ArithmeticOperator, arithmetic.operator),
            self._operand(arithmetic.left, step(pointer, "left"), outer),
            self._operand(arithmetic.right, step(pointer, "right"), outer),
        )

    def _function(self, name: FunctionName, data: Mapping[str, object], pointer: str, outer: Place) -> Function:
        if len(data) != 1:
            raise ConditionError(
                f"an object with {name} has no other fields; put the others into objects of their own", pointer=pointer
            )
        inside, pointer = data[name], step(pointer, name)
        if name == "abs":
            return Function("abs", (self._operand(inside, pointer, outer),))
        if not isinstance(inside, list | tuple):
            raise ConditionError(f"{name} takes a list of operands, got {shown(inside)}", pointer=pointer)
        operands = tuple(self._operand(part, step(pointer, place), outer) for place, part in enumerate(inside))
        with pointing_at(pointer):
            return check_function(name, operands)

    def _price(self, price: _Price, pointer: str, outer: Place) -> Price:
        field = vocabulary.find_price(price.price)
        if field is None:
            raise ConditionError(vocabulary.unknown_price(price.price), pointer=step(pointer, "price"))
        place = self._place(price, pointer, outer)
        return Price(place.series(self._base), field, place.steps)

    def _indicator(self, indicator: _Indicator, pointer: str, outer: Place) -> IndicatorOutput:
        record, period, word = named(indicator.indicator, indicator.period, indicator.output, pointer, "output")
        parameters = complete(record, indicator.params, period, pointer)
        with pointing_at(pointer, "output"):
            output = vocabulary.find_output(record, word)
        place = self._place(indicator, pointer, outer)
        source = self.source(record, indicator.source, pointer, place)
        return IndicatorOutput(place.series(self._base), record.name, parameters, source, output, place.steps)

    def _place(self, placed: _Placed, pointer: str, outer: Place) -> Place:
        place = Place()
        if placed.timeframe is not None:
            with pointing_at(pointer, "timeframe"):
                place = place.on_timeframe(placed.timeframe, self._base)
        if placed.symbol is not None:
            with pointing_at(pointer, "symbol"):
                place = place.of_instrument(placed.symbol, self._base)
        with pointing_at(pointer, "offset"):
            return place.back(placed.offset, TYPED.steps).within(outer, TYPED.steps)


def named(
    word: str, period: float | None, output: str | None, pointer: str, output_field: str
) -> tuple[Indicator, float | None, str | None]:
    """The record that a field ``indicator`` names, with the ``period`` and the ``output`` of the fields beside it, or
    those that are attached to the name (``RSI-14``, ``macd_histogram``)."""
    with pointing_at(pointer, "indicator"):
        record, attached_period, attached_output = vocabulary.find_named(word)
    for field, attached, beside in (("period", attached_period, period), (output_field, attached_output, output)):
        if attached is not None and beside is not None:
            raise ConditionError(
                f"{field} is given twice, in indicator ({shown(word)}) and in {field}", pointer=step(pointer, field)
            )
    return record, attached_period if period is None else period, attached_output if output is None else output


def complete(
    record: Indicator, params: Mapping[str, float] | None, period: float | None, pointer: str
) -> tuple[tuple[str, float], ...]:
    """All parameters of ``record`` from the fields ``params`` and ``period`` of the object at ``pointer``."""
    values: dict[str, float] = {}
    paths: dict[str, tuple[str, ...]] = {}
    fields: list[tuple[str, tuple[str, ...], float]] = [
        (name, ("params", name), value) for name, value in (params or {}).items()
    ]
    if period is not None:
        fields.append(("period", ("period",), period))
    for spelled, path, value in fields:
        name = vocabulary.find_parameter(record, spelled)
        if name in values:
            first, second = reduce(step, paths[name], pointer), reduce(step, path, pointer)
            raise ConditionError(f"{name} is given twice, in {first} and in {second}", pointer=second)
        values[name], paths[name] = value, path
    try:
        return vocabulary.complete_parameters(record, values)
    except ConditionError as error:
        wrong = vocabulary.misfit(record, values)
        raise ConditionError(
            str(error), pointer=reduce(step, paths[wrong] if wrong else ("params",), pointer)
        ) from None
