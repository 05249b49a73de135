"""From the JSON of an operand to the operand: a number, a text, a price, an indicator's output, or arithmetic."""

from collections.abc import Mapping
from typing import cast

from common.errors import ConditionError
from registry.groups import Series
from registry.language import vocabulary
from registry.language.as_json.flat import complete, named
from registry.language.as_json.objects import (
    Amount,
    Amounts,
    JsonObject,
    SymbolText,
    Word,
    number,
    pointing_at,
    shown,
    step,
    validated,
)
from registry.language.as_text import text
from registry.language.limits import TYPED, too_many_operands
from registry.language.places import Place
from registry.language.tree import Arithmetic, ArithmeticOperator, IndicatorOutput, Number, Operand, Price

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
    source: Word | None = None


class _Arithmetic(JsonObject):
    left: object
    operator: Word
    right: object


class OperandReader:
    """Reads operands of conditions of one series."""

    def __init__(self, base: Series) -> None:
        self._base = base
        self._parts = 0
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
        self._parts = 0
        return self._operand(data, pointer)

    def _operand(self, data: object, pointer: str) -> Operand:
        # Counted on the way down: objects may be nested by reference, again and again.
        self._parts += 1
        if self._parts > 2 * TYPED.operands:
            raise ConditionError(too_many_operands(TYPED), pointer=pointer)
        if isinstance(data, str):
            self.count_text(data, pointer)
            with pointing_at(pointer):
                return text.parse_operand(data, self._base)
        if not isinstance(data, Mapping):
            if isinstance(data, int | float):
                return Number(number(data, pointer))
            raise ConditionError(f"an operand is a number, an object or text, got {shown(data)}", pointer=pointer)
        if "price" in data:
            return self._price(validated(_Price, data, pointer), pointer)
        if "indicator" in data:
            return self._indicator(validated(_Indicator, data, pointer), pointer)
        if "operator" not in data:
            raise ConditionError("an operand needs one of price, indicator, operator", pointer=pointer)
        arithmetic = validated(_Arithmetic, data, pointer)
        if arithmetic.operator not in _SIGNS:
            message = f"the operator of an operand is one of {' '.join(_SIGNS)}, got {shown(arithmetic.operator)}"
            raise ConditionError(message, pointer=step(pointer, "operator"))
        return Arithmetic(
            cast(ArithmeticOperator, arithmetic.operator),
            self._operand(arithmetic.left, step(pointer, "left")),
            self._operand(arithmetic.right, step(pointer, "right")),
        )

    def _price(self, price: _Price, pointer: str) -> Price:
        field = vocabulary.find_price(price.price)
        if field is None:
            raise ConditionError(vocabulary.unknown_price(price.price), pointer=step(pointer, "price"))
        place = self._place(price, pointer)
        return Price(place.series(self._base), field, place.steps)

    def _indicator(self, indicator: _Indicator, pointer: str) -> IndicatorOutput:
        record, period, word = named(indicator.indicator, indicator.period, indicator.output, pointer, "output")
        parameters = complete(record, indicator.params, period, pointer)
        with pointing_at(pointer, "source"):
            source = vocabulary.find_source(record, indicator.source)
        with pointing_at(pointer, "output"):
            output = vocabulary.find_output(record, word)
        place = self._place(indicator, pointer)
        return IndicatorOutput(place.series(self._base), record.name, parameters, source, output, place.steps)

    def _place(self, placed: _Placed, pointer: str) -> Place:
        place = Place()
        if placed.timeframe is not None:
            with pointing_at(pointer, "timeframe"):
                place = place.on_timeframe(placed.timeframe, self._base)
        if placed.symbol is not None:
            with pointing_at(pointer, "symbol"):
                place = place.of_instrument(placed.symbol, self._base)
        with pointing_at(pointer, "offset"):
            return place.back(placed.offset, TYPED.steps)
