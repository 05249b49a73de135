"""Conditions as text: ``BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30 and close > sma(200)``.

``parse`` reads ``[EXCHANGE:]SYMBOL TIMEFRAME: expression`` into a tree, ``to_text`` writes a tree. The grammar is in
``grammar.lark``: comparison binds tighter than ``not``, ``not`` tighter than ``and``, ``and`` tighter than ``or``.
"""

import re

from lark import Token, Tree

from indicators.catalogue import Indicator, catalogue
from registry import vocabulary
from registry.errors import ConditionError
from registry.expression import All, Any, Comparison, IndicatorOutput, Node, Not, Number, Operand, Price, Series
from registry.instruments import normalise_instrument
from registry.syntax import clean, complaint, first_position, located, position, syntax_tree, words
from registry.timeframes import normalise_timeframe

_HEADER = re.compile(r"\s*(?P<symbol>[\w./:-]+)\s+(?P<timeframe>\w+(?: [a-z]+)?)\s*:", re.ASCII | re.IGNORECASE)


def parse(
    text: str, *, symbol: str | None = None, timeframe: str | None = None, default_exchange: str
) -> tuple[Series, Node]:
    """The series that ``text`` begins with, and its expression as a tree.

    ``symbol`` and ``timeframe`` are taken where the text begins with the expression. Raises :class:`ConditionError`
    for the text, :class:`InstrumentError` or :class:`TimeframeError` for the other arguments.
    """
    text = clean(text)
    header = _HEADER.match(text)
    if header is not None:
        with located(text, header.start("symbol")):
            instrument = normalise_instrument(header["symbol"], default_exchange)
        with located(text, header.start("timeframe")):
            series = Series(instrument, normalise_timeframe(header["timeframe"]))
    elif symbol is not None and timeframe is not None:
        series = Series(normalise_instrument(symbol, default_exchange), normalise_timeframe(timeframe))
    else:
        message = "the condition lacks symbol and timeframe; write BTCUSDT 1h: rsi(14) < 30, or give both as defaults"
        raise complaint(message, text, 0)
    tree = syntax_tree(text, header.end() if header else 0)
    return series, _Builder(text, series).node(tree)


def to_text(part: Node | Operand, *, short: bool = False) -> str:
    """The expression as text that parses to the same tree; ``short`` leaves out sources that are the default."""
    match part:
        case Number(value):
            return _shortest(value)
        case Price(field=field):
            return field
        case IndicatorOutput(indicator=name, parameters=parameters, source=source, output=output):
            arguments = [_shortest(value) for _, value in parameters]
            if source is not None and not (short and source == vocabulary.DEFAULT_SOURCE):
                arguments.append(source)
            call = f"({', '.join(arguments)})" if arguments else ""
            return name + call + (f".{output}" if len(catalogue()[name].outputs) > 1 else "")
        case Comparison(operator, left, right):
            return f"{to_text(left, short=short)} {operator} {to_text(right, short=short)}"
        case Not(child):
            return f"not {to_text(child, short=short)}"
        case All(children) | Any(children):
            word = "all" if isinstance(part, All) else "any"
            return f"{word}({', '.join(to_text(child, short=short) for child in children)})"


def _shortest(value: float) -> str:
    """The shortest decimal that reads back as the same float64; whole numbers without a point, -0 as 0."""
    return str(int(value)) if value == int(value) else repr(value).replace("e-0", "e-")


class _Builder:
    """Makes nodes of one series from a tree of the grammar, whose depth is bounded."""

    def __init__(self, text: str, series: Series) -> None:
        self._text = text
        self._series = series

    def node(self, tree: Tree[Token]) -> Node:
        children = [child for child in tree.children if isinstance(child, Tree)]
        match tree.data:
            case "negation":
                return Not(self.node(children[0]))
            case "all":
                return All(tuple(self.node(child) for child in children))
            case "any":
                return Any(tuple(self.node(child) for child in children))
        left, operator, right = children
        with located(self._text, first_position(operator)):
            found = vocabulary.find_operator(words(operator))
        sides = self._operand(left), self._operand(right)
        with located(self._text, first_position(left)):
            return Comparison(found, *sides)

    def _operand(self, tree: Tree[Token]) -> Operand:
        if tree.data == "number":
            with located(self._text, first_position(tree)):
                return Number(_number(tree))
        name, *details = tree.children
        assert isinstance(name, Token)
        by_rule = {detail.data: detail.children for detail in details if isinstance(detail, Tree)}
        price = vocabulary.find_price(name)
        if price is not None:
            if by_rule:
                raise self._complaint(f"{price} is a price: it takes no parameters and has no outputs", name)
            return Price(self._series, price)
        with located(self._text, position(name)):
            record = vocabulary.find_indicator(str(name))
        parameters, source = self._arguments(record, name, by_rule.get("arguments", []))
        (word,) = by_rule.get("output", [None])
        assert word is None or isinstance(word, Token)
        with located(self._text, position(word or name)):
            output = vocabulary.find_output(record, str(word) if word else None)
        return IndicatorOutput(self._series, record.name, parameters, source, output)

    def _arguments(
        self, record: Indicator, name: Token, arguments: list[Token | Tree[Token]]
    ) -> tuple[tuple[tuple[str, float], ...], str | None]:
        """The complete parameters and the source."""
        given: dict[str, float] = {}
        source: Token | None = None
        places: dict[str, Token | Tree[Token]] = {}
        order = [parameter.name for parameter in record.parameters]
        for index, argument in enumerate(arguments):
            assert isinstance(argument, Tree)
            *named, value = argument.children
            if named:
                key = str(named[0]).lower()
            elif isinstance(value, Token):
                key = "source"
            elif index >= len(order):
                listed = ", ".join(order) or "none"
                raise self._complaint(f"{record.name} takes no number here; its parameters: {listed}", value)
            elif list(places) != order[:index]:
                raise self._complaint(f"{record.name}: numbers without a name come first", value)
            else:
                key = order[index]
            if key in places:
                raise self._complaint(f"{record.name}: {key} is given twice", argument)
            if key == "source" and isinstance(value, Token):
                source = value
            elif key != "source" and isinstance(value, Tree):
                given[key] = _number(value)
            else:
                kind = "a price such as close" if key == "source" else "a number"
                raise self._complaint(f"{record.name}: {key} must be {kind}", argument)
            places[key] = value
        try:
            parameters = vocabulary.complete_parameters(record, given)
        except ConditionError as error:
            raise self._complaint(str(error), places.get(vocabulary.misfit(record, given) or "", name)) from None
        with located(self._text, position(source or name)):
            return parameters, vocabulary.find_source(record, str(source) if source else None)

    def _complaint(self, message: str, about: Token | Tree[Token]) -> ConditionError:
        at = position(about) if isinstance(about, Token) else first_position(about)
        return complaint(message, self._text, at)


def _number(tree: Tree[Token]) -> float:
    return float(words(tree))
