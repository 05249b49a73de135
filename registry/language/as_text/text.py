"""Conditions as text: ``BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30 and close > sma(200)@4h``.

``parse`` reads ``[EXCHANGE:]SYMBOL TIMEFRAME: expression`` into a tree, ``to_text`` writes a tree. A name that is no
symbol stands in quotes: ``"NYSE:^NYA" 1d: close > 1``. The grammar is in ``grammar.lark``: arithmetic binds tightest,
then come comparison, ``for`` and ``within``, ``not``, ``and``, ``or``. The commonest texts take the way of
:mod:`registry.language.as_text.plain`.
"""

import re
from functools import lru_cache

from common.timeframes import normalise_timeframe
from indicators.catalogue import catalogue
from registry.groups import Series
from registry.language.as_text.help import helped, lenient_header
from registry.language.as_text.plain import read_plain
from registry.language.as_text.reading import Reader
from registry.language.as_text.syntax import clean, complaint, located, syntax_tree
from registry.language.limits import TYPED, Limits
from registry.language.lookback import check_lookback
from registry.language.places import HERE, Place, looks_like_timeframe
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend, check_size, check_windows
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
    Price,
    Within,
)
from registry.naming import read_instrument

_HEADER = re.compile(
    r"""\s*(?P<symbol>"[^"]*"|(?:[\w./:&-]|[^\x00-\x7f])+)\s+(?P<timeframe>\w+(?: [a-z]+)?)\s*:""",
    re.ASCII | re.IGNORECASE,
)
_REMEMBERED = 4_096
_SUM, _PRODUCT, _ATOM = 1, 2, 3
"""How tightly the parts of an operand are bound."""


def parse(
    text: str,
    *,
    symbol: str | None = None,
    timeframe: str | None = None,
    default_exchange: str,
    limits: Limits = TYPED,
) -> tuple[Series, SurfaceNode]:
    """The series that ``text`` begins with, and its expression as a tree.

    ``symbol`` and ``timeframe`` are used where the text begins with the expression. Raises :class:`ConditionError`
    for the text, :class:`InstrumentError` or :class:`TimeframeError` for the other arguments.
    """

    def read(written: str) -> tuple[Series, SurfaceNode]:
        return _read(written, symbol, timeframe, default_exchange, limits)

    plain = read_plain(text, default_exchange)
    if plain is not None:
        return plain
    return helped(text, read, timeframe=timeframe) if limits is TYPED else read(text)


def names_series(text: str) -> bool:
    """Whether a text begins with a symbol and a timeframe."""
    return _header(text) is not None


def parse_expression(text: str, base: Series) -> SurfaceNode:
    """The tree of a text without symbol and timeframe, for a condition of ``base``."""

    def read(written: str) -> SurfaceNode:
        return _expression(clean(written, TYPED), base, 0, TYPED)

    return helped(text, read, timeframe=base.timeframe, whole=False)


def parse_operand(text: str, base: Series, outer: Place = HERE) -> Operand:
    """The operand that a whole text is, for a condition of ``base``; ``outer`` is the place of what it is part of."""

    def read(written: str) -> Operand:
        written = clean(written, TYPED)
        return Reader(written, base, TYPED).operand(syntax_tree(written, 0, TYPED, operand=True), outer)

    return helped(text, read, timeframe=base.timeframe, whole=False)


def to_text(part: SurfaceNode | Operand, base: Series | None = None, *, short: bool = False) -> str:
    """A tree or an operand as text that parses back to it.

    Operands that are not read from ``base`` name their series after an ``@``; without a ``base`` none do. ``short`` is
    for people: it leaves out default sources and the exchange of ``base``, and joins two conditions by ``and``.
    """
    return TextWriter(base, short=short).node(part)


def _header(text: str) -> re.Match[str] | None:
    return _HEADER.match(text) or lenient_header(text)


def _read(
    text: str, symbol: str | None, timeframe: str | None, default_exchange: str, limits: Limits
) -> tuple[Series, SurfaceNode]:
    text = clean(text, limits)
    header = _header(text)
    if header is not None:
        with located(text, header.start("symbol")):
            instrument = read_instrument(header["symbol"].strip('"'), default_exchange)
        with located(text, header.start("timeframe")):
            series = Series(instrument, normalise_timeframe(header["timeframe"]))
    elif symbol is not None and timeframe is not None:
        series = Series(read_instrument(symbol, default_exchange), normalise_timeframe(timeframe))
    elif (alone := lenient_header(f"{text} x")) is not None and alone.end() >= len(text):
        raise complaint(f"nothing follows {text.strip()}; write what should happen: {text.strip()}: rsi < 30", text, 0)
    else:
        raise complaint(
            "the condition lacks symbol and timeframe, and there are no defaults; write them first", text, 0
        )
    start = header.end() if header else 0
    tree = _expression(text, series, start, limits)
    if limits is TYPED:
        with located(text, _first_word(text, start)):
            check_windows(tree, series.timeframe)
    return series, tree


def _expression(text: str, base: Series, start: int, limits: Limits) -> SurfaceNode:
    tree = Reader(text, base, limits).node(syntax_tree(text, start, limits))
    with located(text, _first_word(text, start)):
        check_size(tree, limits)
        check_lookback(tree, base)
    return tree


def _first_word(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


class TextWriter:
    """Writes parts of conditions of one series, as :func:`to_text` does."""

    def __init__(self, base: Series | None, *, short: bool = False) -> None:
        self._base = base
        self._short = short

    def node(self, part: SurfaceNode | Operand) -> str:  # noqa: PLR0911, PLR0912 - one return for each kind of node
        match part:
            case Comparison(operator, left, right):
                return f"{self._operand(left)} {operator} {self._operand(right)}"
            case Crosses(left, right):
                return f"{self._operand(left)} crosses {self._operand(right)}"
            case Channel(operator, value, low, high):
                return f"{self._operand(value)} {operator} {self._operand(low)} and {self._operand(high)}"
            case PriceMove(operator, value, amount, percent, bars):
                within = f" within {_bars(bars)}" if bars > 1 else ""
                return f"{self._operand(value)} {operator} {self._operand(amount)}{'%' * percent}{within}"
            case Trend(operator, value, bars):
                return f"{self._operand(value)} {operator}" + (f" {_bars(bars)}" if bars > 1 else "")
            case Not(child):
                return f"not {self._bracketed(child, bare=_is_leaf(child) or isinstance(child, Not))}"
            case All(children) | Any(children):
                if self._short and len(children) == 2:
                    word = " and " if isinstance(part, All) else " or "
                    return word.join(self._bracketed(child, bare=not self._is_infix(child)) for child in children)
                return ("all" if isinstance(part, All) else "any") + self._listed(children)
            case AtLeast(count, children):
                return f"{count} of {self._listed(children)}"
            case For(child, bars) | Within(child, bars):
                word = "for" if isinstance(part, For) else "within"
                return f"{self._step(child)} {word} {_bars(bars)}"
            case Before(child):
                return f"before({self.node(child)})"
            case Then(first, second, bars):
                return f"{self._step(first)} then {self._step(second)} within {_bars(bars)}"
            case During():
                return str(part)
            case Every(child):
                return f"every({self.node(child)})"
            case Number() | Price() | IndicatorOutput() | Arithmetic() | Function():
                return self._operand(part)

    def _step(self, child: SurfaceNode) -> str:
        """``child`` as what a window follows: a window right behind a move would be the move's."""
        return self._bracketed(child, bare=_is_leaf(child) and not isinstance(child, PriceMove))

    def _bracketed(self, child: SurfaceNode, *, bare: bool) -> str:
        """``child`` in parentheses, unless it is ``bare`` or a list, which has its own."""
        listed = isinstance(child, All | Any | AtLeast) and not self._is_infix(child)
        return self.node(child) if bare or listed else f"({self.node(child)})"

    def _listed(self, children: tuple[SurfaceNode, ...]) -> str:
        return f"({', '.join(self.node(child) for child in children)})"

    def _is_infix(self, node: SurfaceNode) -> bool:
        return self._short and isinstance(node, All | Any) and len(node.children) == 2

    def _operand(self, operand: Operand, level: int = _SUM) -> str:
        """``operand``, in parentheses unless it binds as tightly as ``level``."""
        match operand:
            case Number(value):
                return number_text(value)
            case Price(series, field, offset):
                return field + self._place(series, offset)
            case IndicatorOutput(series, name, parameters, source, output, offset):
                if source is None or isinstance(source, str):
                    written = _indicator_text(name, parameters, source, output, self._short)
                else:
                    # It is read where its indicator is read, so no part of it has a place.
                    written = _call(name, parameters, TextWriter(None, short=self._short).node(source), output)
                return written + self._place(series, offset)
            case Function(name, operands):
                return f"{name}({', '.join(map(self._operand, operands))})"
            case Arithmetic("*", left, Number(-1)) if self._short and not isinstance(left, Number):
                return f"-{self._operand(left, _ATOM)}"
            case Arithmetic(operator, left, right):
                own = _SUM if operator in ("+", "-") else _PRODUCT
                # a - b - c is (a - b) - c: only the left side needs no parentheses at the same level.
                text = f"{self._operand(left, own)} {operator} {self._operand(right, own + 1)}"
                return text if own >= level else f"({text})"

    def _place(self, series: Series, offset: int) -> str:
        """Steps back, and the series if it is not the condition's own."""
        text = f"[{offset}]" if offset else ""
        if self._base is None or series is self._base:
            return text
        if series.instrument != self._base.instrument:
            exchange, symbol = series.instrument.exchange, series.instrument.symbol
            plain = self._short and exchange == self._base.instrument.exchange and not looks_like_timeframe(symbol)
            text += f"@{symbol if plain else series.instrument}"
        return text if series.timeframe == self._base.timeframe else f"{text}@{series.timeframe}"


@lru_cache(_REMEMBERED)
def _indicator_text(
    name: str, parameters: tuple[tuple[str, float], ...], source: str | None, output: str, short: bool
) -> str:
    """An indicator of a price, or of columns of candles."""
    is_default = short and source == catalogue()[name].default_source
    return _call(name, parameters, None if is_default else source, output)


def _call(name: str, parameters: tuple[tuple[str, float], ...], source: str | None, output: str) -> str:
    arguments = [number_text(value) for _, value in parameters]
    if source is not None:
        arguments.append(source)
    call = f"({', '.join(arguments)})" if arguments else ""
    return name + call + (f".{output}" if len(catalogue()[name].outputs) > 1 else "")


def _is_leaf(node: SurfaceNode) -> bool:
    """Whether a node needs no parentheses behind ``not`` or before a window."""
    return isinstance(node, Comparison | Crosses | Channel | PriceMove | Trend | During | Before)


def _bars(bars: int) -> str:
    return f"{bars} bars" if bars > 1 else "1 bar"


def number_text(value: float) -> str:
    """The shortest decimal that reads back as the same float64; whole numbers have no point, -0 is 0."""
    return str(int(value)) if value == int(value) else repr(value).replace("e-0", "e-")
