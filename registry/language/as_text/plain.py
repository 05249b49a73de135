"""Conditions in the commonest words, read without taking the whole text through the grammar.

    BINANCE:BTCUSDT 1h: all(close > sma(200, close)@4h, rsi(14, close) < 30 for 3 bars)

Comparisons by a sign or a plain crossing, alone or joined by ``all``, ``any``, ``k of``, ``every``, ``and``, ``or``,
``not``, ``for`` and ``within``. What stands beside the sign is read by the grammar, once for each spelling whatever the
symbol, and remembered. All else is left to the grammar, and so is every error: what is read here is what it reads.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import cast

from common.errors import HubError
from common.timeframes import normalise_timeframe
from registry.groups import Series
from registry.instruments import Instrument
from registry.language import lookback
from registry.language.arithmetic import folded
from registry.language.as_text.reading import Reader
from registry.language.as_text.syntax import clean, syntax_tree
from registry.language.limits import TYPED, check_bars, check_count
from registry.language.places import HERE
from registry.language.surface import SurfaceNode
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    ArithmeticOperator,
    AtLeast,
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
    Within,
    variables,
)
from registry.naming import current_names, read_instrument

_LONGEST = 400
_MOST_COMPOSITES, _MOST_COMPARISONS = 6, 16
"""With these bounds, and operands that look back half as far as a condition may, a condition is within every limit, and
none has to be checked again: six windows add at most 3,000 candles."""
_SIDE_LIMITS = replace(TYPED, operands=6)
_REMEMBERED_SIDES, _REMEMBERED_SERIES = 4_096, 16_384

_NAME = r"[A-Za-z_]\w{0,63}(?!\w)"
_ARGUMENTS = r"\((?:[\w .,=*/+-]|\([\w .,=*/+-]*\))*\)"
_NUMBER = r"[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?(?![\w.%])"
_PLACE = r"@[0-9]{1,2}(?:mo|[mhdw])(?!\w)"
_ATOM = rf"(?:{_NAME}(?:{_ARGUMENTS})?(?:\.{_NAME})?(?:\[[0-9]{{1,3}}\])?(?:{_PLACE})?|{_NUMBER})"
_SIDE = rf"{_ATOM}(?: [-+*/] {_ATOM})*"

_HEADER = re.compile(r"((?:[\w./:]|[^\x00-\x7f])+) (\w+):", re.ASCII)
_COMPARISON = re.compile(
    rf" *({_SIDE}) *([<>]=?(?![<>=!\u2264\u2265])|crosses_(?:above|below)(?!\w))"
    rf" *(?:([+-]?{_NUMBER})(?! *[-+*/])|({_SIDE}))",
    re.ASCII,
)
_NUMBER_ALONE = re.compile(_NUMBER, re.ASCII)
_OPERATION = re.compile(rf"({_ATOM}) ([-+*/]) ({_ATOM})", re.ASCII)
_SIGNS = (" * ", " - ", " + ", " / ")
_OPENING = re.compile(r" *(?:(all|any|every|)\(|(not) +|([0-9]{1,2}) of \()", re.ASCII)
_FOLLOWING = re.compile(
    r" +(?:(and|or) +|(for|within) +([0-9]{1,3})(?: +(?:bar|candle)s?)?(?![\w.]))| *(\)|,|$)", re.ASCII
)
# What is read, and is something else to many, is refused by ``help``.
_AMBIGUOUS = re.compile(r"[A-Za-z]-[0-9]")
_STAND_IN = Instrument("X", "X")


class _OtherWords(Exception):
    """The text is not all in the words that are read here."""


def read_plain(text: str, default_exchange: str) -> tuple[Series, SurfaceNode] | None:
    """The series that ``text`` begins with and its expression; ``None`` if the grammar has to read it."""
    start = text.find(": ") + 1
    if not start or len(text) > _LONGEST or ("-" in text and _AMBIGUOUS.search(text)):
        return None
    series = _series(text[:start], default_exchange, current_names().number)
    if series is None:
        return None
    try:
        return series, _Reading(text, start, series).whole()
    except (_OtherWords, HubError):
        return None


class _Reading:
    """Reads one text from left to right."""

    def __init__(self, text: str, at: int, base: Series) -> None:
        self._text = text
        self._at = at
        self._base = base
        self._next = ""
        """What follows the part that was read: ``and``, ``or``, ``)``, ``,``, or nothing at the end."""
        self._composites = self._comparisons = 0

    def whole(self) -> SurfaceNode:
        node = self._either(top=True)
        if self._next:
            raise _OtherWords
        return node

    def _either(self, *, top: bool = False) -> SurfaceNode:
        first = self._both(top=top)
        if self._next != "or":
            return first
        parts = [first]
        while self._next == "or":
            parts.append(self._both())
        return self._joined(Any(tuple(parts)))

    def _both(self, *, top: bool = False) -> SurfaceNode:
        first = self._single(top=top)
        if self._next != "and":
            return first
        parts = [first]
        while self._next == "and":
            parts.append(self._single())
        return self._joined(All(tuple(parts)))

    def _single(self, *, top: bool = False) -> SurfaceNode:
        comparison = _COMPARISON.match(self._text, self._at)
        if comparison is not None:
            self._at = comparison.end()
            left, operator, number, right = comparison.groups()
            return self._lasting(self._compare(left, cast(Operator, operator), number, right))
        opening = _OPENING.match(self._text, self._at)
        if opening is None:
            raise _OtherWords
        self._at = opening.end()
        word, negation, count = opening.groups()
        if negation:
            return self._joined(Not(self._single()))
        if word == "every":
            if not top:
                raise _OtherWords
            every = Every(self._closed())
            if self._follow() is not None or self._next:
                raise _OtherWords
            return self._joined(every)
        if word == "":
            # Parentheses are bounded, too.
            return self._lasting(self._joined(self._closed()))
        parts = self._listed()
        if count is not None:
            return self._lasting(self._joined(AtLeast(check_count(float(count), len(parts)), parts)))
        return self._lasting(self._joined((All if word == "all" else Any)(parts)))

    def _closed(self) -> SurfaceNode:
        node = self._either()
        if self._next != ")":
            raise _OtherWords
        return node

    def _listed(self) -> tuple[SurfaceNode, ...]:
        parts = [self._either()]
        while self._next == ",":
            parts.append(self._either())
        if self._next != ")":
            raise _OtherWords
        return tuple(parts)

    def _lasting(self, node: SurfaceNode) -> SurfaceNode:
        """``node`` with the windows behind it."""
        while (window := self._follow()) is not None:
            kind, bars = window
            node = self._joined((For if kind == "for" else Within)(node, check_bars(float(bars))))
        return node

    def _follow(self) -> tuple[str, str] | None:
        """The window that follows; if there is none, what else does."""
        following = _FOLLOWING.match(self._text, self._at)
        if following is None:
            raise _OtherWords
        self._at = following.end()
        word, window, bars, sign = following.groups()
        if window is not None:
            return window, bars
        self._next = word or sign
        return None

    def _compare(self, left: str, operator: Operator, number: str | None, right: str) -> Comparison:
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise _OtherWords
        left_side, left_varies = self._side(left)
        right_side, right_varies = self._side(right) if number is None else (Number(float(number)), False)
        if not (left_varies or right_varies):
            raise _OtherWords
        return Comparison(operator, left_side, right_side)

    def _side(self, written: str) -> tuple[Operand, bool]:
        """An operand, and whether it varies."""
        # A share of something is written with ever new numbers. Of one operation, there is but one way to read it.
        one = _OPERATION.fullmatch(written) if any(sign in written for sign in _SIGNS) else None
        if one is None:
            return self._part(written)
        (left, left_varies), (right, right_varies) = self._part(one[1]), self._part(one[3])
        if not right_varies and (one[2] == "/" or not left_varies):
            raise _OtherWords
        return Arithmetic(cast(ArithmeticOperator, one[2]), left, right), True

    def _part(self, written: str) -> tuple[Operand, bool]:
        if _NUMBER_ALONE.fullmatch(written):
            return Number(float(written)), False
        read = _side(written, self._base.timeframe)
        if read is None:
            raise _OtherWords
        return _placed(read[0], self._base), read[1]

    def _joined(self, node: SurfaceNode) -> SurfaceNode:
        self._composites += 1
        if self._composites > _MOST_COMPOSITES:
            raise _OtherWords
        return node


@lru_cache(_REMEMBERED_SERIES)
def _series(header: str, default_exchange: str, names: int) -> Series | None:
    """The series that a header names where instruments are read by the names of that number."""
    assert names == current_names().number
    names_series = _HEADER.fullmatch(header)
    if names_series is None:
        return None
    symbol, timeframe = names_series.groups()
    try:
        clean(header, TYPED)
        return Series(read_instrument(symbol, default_exchange), normalise_timeframe(timeframe))
    except HubError:
        return None


@lru_cache(_REMEMBERED_SIDES)
def _side(written: str, timeframe: str) -> tuple[Operand, bool] | None:
    """An operand of a condition of a stand-in for its instrument, and whether it varies; ``None`` if it is refused."""
    base = Series(_STAND_IN, timeframe)
    try:
        tree = syntax_tree(clean(written, _SIDE_LIMITS), 0, _SIDE_LIMITS, operand=True)
        operand = Reader(written, base, _SIDE_LIMITS).operand(tree, HERE)
        varies = not isinstance(folded(operand), Number)
    except HubError:
        return None
    most = lookback.LONGEST_LOOKBACK // 2
    far = any(lookback.lookback_of(variable) + variable.offset > most for variable in variables(operand))
    return None if far else (operand, varies)


def _placed(operand: Operand, base: Series) -> Operand:
    """``operand`` of the stand-in as one of the instrument of ``base``."""
    match operand:
        case IndicatorOutput(series, name, parameters, source, output, offset):
            if source is not None and not isinstance(source, str):
                source = _placed(source, base)
            return IndicatorOutput(_series_of(series, base), name, parameters, source, output, offset)
        case Price(series, field, offset):
            return Price(_series_of(series, base), field, offset)
        case Number():
            return operand
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, _placed(left, base), _placed(right, base))
        case Function(function, operands):
            return Function(function, tuple(_placed(part, base) for part in operands))


def _series_of(series: Series, base: Series) -> Series:
    return base if series.timeframe == base.timeframe else base.at(series.timeframe)
