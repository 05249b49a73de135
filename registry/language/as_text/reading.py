"""From lark's tree of a text to the tree of a condition; every error has its position in the text."""

from dataclasses import replace
from typing import cast

from lark import Token, Tree

from common.errors import ConditionError
from indicators.catalogue import Indicator
from registry.groups import Series
from registry.language import vocabulary
from registry.language.as_text.syntax import complaint, first_position, located, position, words
from registry.language.functions import check_function, no_parameters
from registry.language.limits import Limits, check_bars, check_count
from registry.language.places import HERE, Place
from registry.language.sources import source_of
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend, check_comparison
from registry.language.time_windows import During, read_part
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    ArithmeticOperator,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    Function,
    FunctionName,
    IndicatorOutput,
    Not,
    Number,
    Operand,
    Price,
    Within,
)

Child = Token | Tree[Token]


class Reader:
    """Builds the nodes of one condition from a tree of the grammar, whose depth is bounded."""

    def __init__(self, text: str, base: Series, limits: Limits) -> None:
        self._text = text
        self._base = base
        self._limits = limits

    def node(self, tree: Tree[Token], *, top: bool = True) -> SurfaceNode:  # noqa: PLR0911 - one return for each kind of node
        children = [child for child in tree.children if isinstance(child, Tree)]
        match tree.data:
            case "negation":
                return Not(self.node(children[0], top=False))
            case "all":
                return All(self._nodes(children))
            case "any":
                return Any(self._nodes(children))
            case "every":
                if not top:
                    raise self._complaint("every(...) is allowed only at the top of a condition", tree)
                return Every(self.node(children[0], top=False))
            case "before":
                return Before(self.node(children[0], top=False))
            case "order":
                first, second, window = children
                return Then(self.node(first, top=False), self.node(second, top=False), self._bars(window.children[0]))
            case "at_least":
                with located(self._text, first_position(tree)):
                    count = check_count(float(cast(Token, tree.children[0])), len(children))
                return AtLeast(count, self._nodes(children))
            case "lasting":
                child, window = children
                bars = self._bars(window.children[0])
                kind = For if window.data == "for" else Within
                return kind(self.node(child, top=False), bars)
            case "moved":
                return self._move(children[0], self._bars(children[1].children[0]))
            case "during":
                return self._during(tree)
        with located(self._text, first_position(tree)):
            return self._leaf(tree)

    def operand(self, tree: Tree[Token], outer: Place) -> Operand:
        """The operand that a whole text inside ``outer`` is."""
        return self._operand(tree, outer)

    def _nodes(self, trees: list[Tree[Token]]) -> tuple[SurfaceNode, ...]:
        return tuple(self.node(tree, top=False) for tree in trees)

    def _leaf(self, tree: Tree[Token]) -> SurfaceNode:
        match tree.data, tree.children:
            case "channel", [value, word, low, high]:
                sides = [self._side(side) for side in (value, low, high)]
                return Channel(vocabulary.CHANNELS[vocabulary.fold(str(word))], *sides)
            case "trend", [value, word, *bars]:
                trend = vocabulary.TRENDS[vocabulary.fold(str(word))]
                return Trend(trend, self._side(value), self._bars(bars[0]) if bars else 1)
            case "move", _:
                return self._move(tree, 1)
        left, operator, right = tree.children
        assert isinstance(operator, Tree)
        with located(self._text, first_position(operator)):
            comparison = vocabulary.find_comparison(words(operator))
        operands = self._side(left), self._side(right)
        if comparison == "crosses":
            return Crosses(*operands)
        return check_comparison(Comparison(comparison, *operands))

    def _during(self, tree: Tree[Token]) -> During:
        _, *parts = cast(list[Token], tree.children)
        for part in parts:
            # One by one first, so that an error points at the part.
            with located(self._text, position(part)):
                read_part(str(part))
        with located(self._text, first_position(tree)):
            return During.of(list(map(str, parts)))

    def _move(self, tree: Tree[Token], bars: int) -> PriceMove:
        value, word, amount = tree.children
        operator, percent = vocabulary.MOVES[vocabulary.fold(str(word))]
        if isinstance(amount, Tree) and amount.data == "percentage":
            amount, percent = amount.children[0], True
        with located(self._text, first_position(tree)):
            return PriceMove(operator, self._side(value), self._side(amount), percent, bars)

    def _side(self, tree: Child) -> Operand:
        assert isinstance(tree, Tree)
        return self._operand(tree, HERE)

    def _operand(self, tree: Tree[Token], outer: Place) -> Operand:
        """The operand of ``tree`` inside parentheses at ``outer``."""
        children = tree.children
        match tree.data:
            case "number":
                with located(self._text, first_position(tree)):
                    return Number(_number(tree))
            case "group":
                inner, *suffixes = cast(list[Tree[Token]], children)
                return self._operand(inner, self._place(suffixes, outer))
            case "function":
                return self._function(tree, outer)
            case "negative":
                return Arithmetic("*", self._operand(cast(Tree[Token], children[1]), outer), Number(-1.0))
            case "arithmetic":
                left, sign, right = children
                operator = cast(ArithmeticOperator, str(sign))
                return Arithmetic(
                    operator,
                    self._operand(cast(Tree[Token], left), outer),
                    self._operand(cast(Tree[Token], right), outer),
                )
        return self._reference(tree, outer)

    def _function(self, tree: Tree[Token], outer: Place) -> Function:
        name, *details = cast(list[Tree[Token]], tree.children)
        function = cast(FunctionName, str(name).lower())
        suffixes = [detail for detail in details if detail.data in ("steps", "place")]
        place = self._place(suffixes, outer)
        operands = []
        for detail in details[: len(details) - len(suffixes)]:
            if detail.data == "named":
                raise self._complaint(no_parameters(function, str(detail.children[0])), detail)
            operands.append(self._operand(detail, place))
        with located(self._text, first_position(tree)):
            return check_function(function, tuple(operands))

    def _reference(self, tree: Tree[Token], outer: Place) -> Price | IndicatorOutput:
        name, *details = tree.children
        assert isinstance(name, Token)
        by_rule = {detail.data: detail.children for detail in details if isinstance(detail, Tree)}
        suffixes = [detail for detail in details if isinstance(detail, Tree) and detail.data in ("steps", "place")]
        place = self._place(suffixes, outer)
        series = place.series(self._base)
        price = vocabulary.find_price(name)
        if price is not None:
            if "arguments" in by_rule or "output" in by_rule:
                raise self._complaint(f"{price} is a price: it takes no parameters and has no outputs", name)
            return Price(series, price, place.steps)
        with located(self._text, position(name)):
            record, period, attached = vocabulary.find_named(str(name))
        parameters, source = self._arguments(record, name, period, by_rule.get("arguments", []), place)
        (word,) = by_rule.get("output", [None])
        assert word is None or isinstance(word, Token)
        if word is not None and attached is not None:
            raise self._complaint(f"two outputs, {attached} and {word}; write one", word)
        with located(self._text, position(word or name)):
            output = vocabulary.find_output(record, attached if word is None else str(word))
        return IndicatorOutput(series, record.name, parameters, source, output, place.steps)

    def _place(self, suffixes: list[Tree[Token]], outer: Place) -> Place:
        place = Place()
        for suffix in suffixes:
            word = str(suffix.children[0])
            with located(self._text, first_position(suffix)):
                if suffix.data == "place":
                    place = place.at(word, self._base)
                elif place.steps:
                    raise ConditionError("two numbers of steps back; write one")
                else:
                    place = place.back(float(word), self._limits.steps)
        with located(self._text, first_position(suffixes[0]) if suffixes else 0):
            return place.within(outer, self._limits.steps)

    def _arguments(
        self, record: Indicator, name: Token, period: float | None, arguments: list[Child], place: Place
    ) -> tuple[tuple[tuple[str, float], ...], str | Operand | None]:
        """The complete parameters and the source of an indicator that is read at ``place``; ``period`` is one that was
        attached to the name."""
        values: dict[str, float] = {} if period is None else {"period": period}
        source: Tree[Token] | None = None
        places: dict[str, Child] = dict.fromkeys(values, name)
        order = [parameter.name for parameter in record.parameters]
        for index, argument in enumerate(arguments):
            assert isinstance(argument, Tree)
            *named, value = argument.children
            assert isinstance(value, Tree)
            if named:
                key = vocabulary.find_parameter(record, str(named[0]))
            elif value.data != "number":
                key = "source"
            elif index >= len(order):
                listed = ", ".join(order) or "none"
                raise self._complaint(f"{record.name} takes no number here; its parameters: {listed}", value)
            elif period is None and list(places) != order[:index]:
                raise self._complaint(f"{record.name}: numbers without a name come first", value)
            else:
                key = order[index]
            if key in places:
                raise self._complaint(f"{record.name}: {key} is given twice", argument)
            if key == "source":
                source = value
            elif value.data == "number":
                values[key] = _number(value)
            else:
                raise self._complaint(f"{record.name}: {key} must be a number", argument)
            places[key] = value
        try:
            parameters = vocabulary.complete_parameters(record, values)
        except ConditionError as error:
            raise self._complaint(str(error), places.get(vocabulary.misfit(record, values) or "", name)) from None
        operand = None if source is None else self._operand(source, replace(place, steps=0))
        with located(self._text, position(name) if source is None else first_position(source)):
            return parameters, source_of(record, operand, place.series(self._base))

    def _bars(self, token: Child) -> int:
        assert isinstance(token, Token)
        with located(self._text, position(token)):
            return check_bars(float(token))

    def _complaint(self, message: str, about: Child) -> ConditionError:
        at = position(about) if isinstance(about, Token) else first_position(about)
        return complaint(message, self._text, at)


def _number(tree: Tree[Token]) -> float:
    return float(words(tree))
