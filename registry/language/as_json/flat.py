"""Conditions as bots send them: one operator as a flat JSON object.

    {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "crosses_below", "value": 30, "period": 14}
    {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "between", "value": [40, 60]}
    {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "close", "operator": "rises_by", "value": "5%", "bars": 3}

Every error is a :class:`ConditionError` with the JSON pointer of the field.
"""

from collections.abc import Mapping
from typing import Literal

from common.errors import ConditionError
from condition_hub.json_pointers import step
from registry.groups import Series
from registry.language import vocabulary
from registry.language.as_json.objects import (
    Amount,
    Amounts,
    JsonObject,
    OperatorWord,
    SymbolText,
    Word,
    number,
    pointing_at,
    shown,
    validated,
)
from registry.language.as_json.operands import OperandReader, complete, named
from registry.language.as_text import text
from registry.language.limits import check_bars
from registry.language.places import HERE
from registry.language.surface import Channel, Crosses, Leaf, PriceMove, SurfaceNode, Trend, check_comparison
from registry.language.tree import Comparison, Every, IndicatorOutput, Number, Operand, Price


class FlatCondition(JsonObject):
    """The fields of a flat condition; ``period`` is short for ``params: {"period": ...}``.

    ``value`` is a number, the text of an operand (``"sma(200)"``), ``[low, high]`` for a channel, ``"5%"`` for a move.
    """

    symbol: SymbolText | None = None
    exchange: Word | None = None
    timeframe: Word | None = None
    indicator: Word
    operator: OperatorWord
    value: object = None
    period: Amount | None = None
    params: Amounts | None = None
    component: Word | None = None
    source: object = None
    bars: Amount | None = None
    fire: Literal["every_bar"] | None = None


def node(flat: FlatCondition, series: Series, pointer: str = "") -> SurfaceNode:
    """The tree of a flat condition of ``series``; ``pointer`` is its place."""
    leaf = _Reader(flat, series, pointer).leaf()
    return leaf if flat.fire is None else Every(leaf)


def read(data: Mapping[str, object]) -> FlatCondition:
    """``data`` with the fields of a flat condition."""
    return validated(FlatCondition, data)


class _Reader:
    def __init__(self, flat: FlatCondition, series: Series, pointer: str) -> None:
        self._flat = flat
        self._series = series
        self._pointer = pointer

    def leaf(self) -> Leaf:
        with self._at("operator"):
            word = vocabulary.fold(self._flat.operator)
            operator = vocabulary.find_operator(self._flat.operator)
        if self._flat.bars is not None and word not in {**vocabulary.MOVES, **vocabulary.TRENDS}:
            raise ConditionError(f"{operator} takes no bars", pointer=step(self._pointer, "bars"))
        left, centre = self._operand()
        if word in vocabulary.TRENDS:
            if self._flat.value is not None:
                raise ConditionError(f"{operator} takes bars and no value", pointer=step(self._pointer, "value"))
            bars = self._bars()
            with self._at("indicator"):
                return Trend(vocabulary.TRENDS[word], left, bars)
        if word in vocabulary.MOVES:
            amount, percent = self._amount(word)
            bars = self._bars()
            with self._at("value"):
                return PriceMove(vocabulary.MOVES[word][0], left, amount, percent, bars)
        if word in vocabulary.CHANNELS:
            low, high = self._bounds(operator)
            with self._at("value"):
                return Channel(vocabulary.CHANNELS[word], left, low, high)
        right = self._value(centre)
        with self._at("value"):
            comparison = vocabulary.COMPARISONS[word]
            if comparison == "crosses":
                return Crosses(left, right)
            return check_comparison(Comparison(comparison, left, right))

    def _value(self, centre: float | None) -> Operand:
        value = self._flat.value
        if isinstance(value, str) and value.rstrip().endswith("%"):
            raise ConditionError(
                f"value: {shown(value)} is a percentage, which only rises_by and falls_by take; write the number alone",
                pointer=step(self._pointer, "value"),
            )
        if value is not None:
            return self._side(value, step(self._pointer, "value"))
        if centre != 0:
            raise ConditionError(
                f"value is missing; {self._flat.indicator} does not swing around 0, so say what to compare it with",
                pointer=step(self._pointer, "value"),
            )
        return Number(0.0)

    def _amount(self, word: str) -> tuple[Operand, bool]:
        value, pointer = self._flat.value, step(self._pointer, "value")
        if value is None:
            raise ConditionError('value is missing; say by how much, such as 100 or "5%"', pointer=pointer)
        percent = vocabulary.MOVES[word][1]
        if isinstance(value, str) and value.rstrip().endswith("%"):
            with pointing_at(pointer):
                amount = text.parse_operand(value.rstrip()[:-1], self._series)
                if not isinstance(amount, Number):
                    raise ConditionError(f"a percentage is a number such as 5%, got {shown(value)}")
            return amount, True
        return self._side(value, pointer), percent

    def _bounds(self, operator: str) -> tuple[Operand, Operand]:
        value, pointer = self._flat.value, step(self._pointer, "value")
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ConditionError(f"value must be [low, high] for {operator}, got {shown(value)}", pointer=pointer)
        return self._side(value[0], step(pointer, 0)), self._side(value[1], step(pointer, 1))

    def _side(self, value: object, pointer: str) -> Operand:
        if isinstance(value, str):
            with pointing_at(pointer):
                operand = text.parse_operand(value, self._series)
            if not isinstance(operand, Number):
                return operand
        return Number(number(value, pointer))

    def _bars(self) -> int:
        with self._at("bars"):
            return check_bars(1 if self._flat.bars is None else self._flat.bars)

    def _operand(self) -> tuple[Operand, float | None]:
        """What is compared, and the value around which it swings."""
        flat = self._flat
        price = vocabulary.find_price(flat.indicator)
        if price is not None:
            for field in ("period", "params", "component", "source"):
                if getattr(flat, field) is not None:
                    raise ConditionError(f"{price} is a price: it takes no {field}", pointer=step(self._pointer, field))
            return Price(self._series, price), None
        record, period, component = named(flat.indicator, flat.period, flat.component, self._pointer, "component")
        parameters = complete(record, flat.params, period, self._pointer)
        source = OperandReader(self._series).source(record, flat.source, self._pointer, HERE)
        with self._at("component"):
            output = vocabulary.find_output(record, component)
        operand = IndicatorOutput(self._series, record.name, parameters, source, output)
        return operand, record.output(output).centre

    def _at(self, field: str) -> pointing_at:
        return pointing_at(self._pointer, field)
