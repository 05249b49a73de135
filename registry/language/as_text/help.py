"""What to write instead: a text that cannot be read is put into our words, and offered if it can be read then.

    BTCUSDT 1h: rsi 14 touches 30        ->  BTCUSDT 1h: rsi(14) crosses 30
    ta.crossover(ta.ema(close, 12), 5)   ->  BTCUSDT 1h: ema(12, close) crosses_above 5

What is offered has been read: it is a condition. Whether it is the one that was meant is for the trader to say.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from common.errors import ConditionError, TimeframeError
from common.timeframes import normalise_timeframe
from registry.language import vocabulary
from registry.language.as_text.other_words.patterns import TIMEFRAME, indicator_names, replaced
from registry.language.as_text.other_words.speech import LIBRARIES
from registry.language.as_text.other_words.translation import in_our_words
from registry.language.as_text.syntax import complaint

_LONGEST = 200
"""Characters of a text that is worth putting into other words."""
_EXAMPLE = "BTCUSDT 1h: "
_ANY_CASE = re.IGNORECASE

T = TypeVar("T")

_SYMBOL = r"(?:[a-z]\w*:)?[a-z0-9]+(?:[/_-][a-z0-9]+)?(?:\.p)?"

# Without a colon, a sign may be a dash: BTCUSDT 1h - rsi < 30.
_HEADER = re.compile(
    rf"\s*(?P<symbol>{_SYMBOL})(?:\s*,\s*|\s+)(?P<timeframe>{TIMEFRAME})\s*(?:[:,]|(?!\s*[-+]))(?=\s*\S)", _ANY_CASE
)
_TIMEFRAME_WORD = rf"(?:{TIMEFRAME}|hourly\b|daily\b|weekly\b)"
_SYMBOL_AND_TIMEFRAME = re.compile(
    rf"\s*(?:(?:on|for)\s+)?(?:(?:symbol|pair)\s*=\s*)?(?P<symbol>{_SYMBOL})(?P<perpetual>\s+(?:perp|perpetual)\b)?"
    rf"[\s,;@:(\[|/-]*(?:(?:on|at)\s+)?(?:(?:timeframe|interval)\s*=\s*)?(?P<timeframe>{_TIMEFRAME_WORD})"
    r"(?:->|[\s)\],:;|-])*",
    _ANY_CASE,
)
_AT_THE_END = re.compile(
    rf"(?P<expression>.*?\S)\s+(?:(?:on|for|at)\s+)?(?P<symbol>{_SYMBOL})[\s,]+(?:(?:on|at)\s+)?(?P<timeframe>{TIMEFRAME})\s*",
    _ANY_CASE,
)
_TIMEFRAME_AND_SYMBOL = re.compile(
    rf"\s*(?P<timeframe>{TIMEFRAME})[\s,;:|/-]*(?P<symbol>{_SYMBOL})[\s,:;|-]*", _ANY_CASE
)
_SYMBOL_ALONE = re.compile(rf"\s*(?P<symbol>{_SYMBOL})\s*:\s*", _ANY_CASE)
_TIMEFRAME_ALONE = re.compile(rf"\s*(?P<timeframe>{TIMEFRAME})\s*:\s*", _ANY_CASE)
_NO_SYMBOLS = frozenset({
    "all", "any", "not", "every", "and", "or", "if", "when", "once", "buy", "sell", "long", "short", "alert", "entry",
    "exit", "ta", "talib", "pta", "df", "dataframe", "data",
})  # fmt: skip


def lenient_header(text: str) -> re.Match[str] | None:
    """``symbol`` and ``timeframe`` with a comma between them, or without the colon behind them."""
    header = _HEADER.match(text)
    return header if header is not None and _names_instrument(header["symbol"]) else None


def helped(text: str, read: Callable[[str], T], *, timeframe: str | None = None, whole: bool = True) -> T:
    """What ``read`` makes of ``text``; its error says what to write instead, if that is known.

    ``whole`` texts have a symbol and a timeframe; parts of a condition, whose series is named elsewhere, do not.
    ``timeframe`` is that of the condition where the text names none.
    """
    _refuse_ambiguous(text, read)
    try:
        return read(text)
    except ConditionError as error:
        readings = _Readings(read)
        instead = readings.first(_others(text, timeframe, whole)) if len(text) <= _LONGEST else None
        if instead is None:
            raise readings.refusal or error from None
        problem, *excerpt = str(error).split("\n")
        # What to write is known: what else there might be would distract.
        problem = re.sub(r" \(did you mean .*?\)|; .*", "", problem)
        message = "\n".join([f"{problem}; write {instead}", *excerpt])
        raise ConditionError(message, position=error.position, pointer=error.pointer) from error


class _Readings:
    """Reads other texts, and remembers why one could not be read that had lost nothing but a library's name."""

    def __init__(self, read: Callable[[str], object]) -> None:
        self._read = read
        self.refusal: ConditionError | None = None

    def first(self, others: Iterable[tuple[str, bool]]) -> str | None:
        """The first text that can be read."""
        for other, tells_more in others:
            try:
                self._read(other)
            except ConditionError as error:
                self.refusal = error if tells_more else self.refusal
                continue
            return other
        return None


def _others(text: str, timeframe: str | None, whole: bool) -> Iterator[tuple[str, bool]]:
    """Texts that may be meant, the best first, and whether the error of one says more than that of ``text``."""
    heads, expression = _heads(text)
    if not whole:
        # What belongs to a condition that names its series elsewhere.
        heads = [("", None)]
    is_of_a_library = expression != replaced(expression, (LIBRARIES,))
    for head, own_timeframe in heads:
        ours = in_our_words(expression, own_timeframe or timeframe)
        for other in dict.fromkeys((" ".join(expression.split()), ours)):
            if f"{head}{other}" != text:
                yield f"{head}{other}", is_of_a_library and other == ours


def _heads(text: str) -> tuple[list[tuple[str, str | None]], str]:
    """The beginnings that a whole text may have had in mind, each with its timeframe, and what follows."""
    for pattern in (_SYMBOL_AND_TIMEFRAME, _TIMEFRAME_AND_SYMBOL, _SYMBOL_ALONE, _TIMEFRAME_ALONE):
        head = pattern.match(text)
        if head is None:
            continue
        parts = {"symbol": "BTCUSDT", "timeframe": "1h"} | head.groupdict(default="")
        if _names_instrument(parts["symbol"]) and _is_timeframe(parts["timeframe"]):
            symbol = parts["symbol"] + (".P" if parts.get("perpetual") else "")
            return [(f"{symbol} {parts['timeframe']}: ", parts["timeframe"])], text[head.end() :]
    end = _AT_THE_END.fullmatch(text)
    if end is not None and _names_instrument(end["symbol"]) and _is_timeframe(end["timeframe"]):
        return [(f"{end['symbol']} {end['timeframe']}: ", end["timeframe"])], end["expression"]
    return [("", None), (_EXAMPLE, "1h")], text


def _names_instrument(symbol: str) -> bool:
    return not (
        vocabulary.is_operand(symbol) or symbol.lower() in _NO_SYMBOLS or re.fullmatch(rf"\d.*|{TIMEFRAME}", symbol)
    )


def _is_timeframe(text: str) -> bool:
    try:
        normalise_timeframe(text)
    except TimeframeError:
        return False
    return True


def _refuse_ambiguous(text: str, read: Callable[[str], object]) -> None:
    """Refuses what would be read, and is something else to many: ``RSI-7``, ``close rises 5``."""
    if re.search(r"[A-Za-z]-\d", text) is not None:
        _refuse_hyphens(text, read)
    trend = re.search(r"\b(rises|falls)\s+(\d+(?:\.\d+)?)(?!\s*(?:[\w.%]))", text, _ANY_CASE)
    if trend is not None:
        verb, number = trend[1].lower(), trend[2]
        candles = f"{'rising' if verb == 'rises' else 'falling'} {number} bars"
        before, after = _around(text, trend)
        raise complaint(
            f"{verb} {number} may be {number} candles in a row, or an amount of {number};"
            f" write {before}{candles}{after}, or for the amount: {before}{verb}_by {number}{after}",
            text,
            trend.start(),
        )


_HYPHENS = r"(?<![\w.@:/)-])({names})((?:-\d+(?:\.\d+)?)+)(?![\w.(])"


def _refuse_hyphens(text: str, read: Callable[[str], object]) -> None:
    pattern = re.compile(_HYPHENS.format(names=indicator_names()), _ANY_CASE)
    first = next((name for name in pattern.finditer(text) if _takes_candles(name[1])), None)
    if first is None:
        return
    record, numbers = vocabulary.find_indicator(first[1]), first[2].strip("-").split("-")

    def as_parameters(name: re.Match[str]) -> str:
        listed = ", ".join(name[2].strip("-").split("-"))
        return f"{vocabulary.find_indicator(name[1]).name}({listed})" if _takes_candles(name[1]) else name[0]

    def apart(name: re.Match[str]) -> str:
        return name[0].replace("-", " - ") if _takes_candles(name[1]) else name[0]

    problem = f"{first[0]} may be {record.name} over {numbers[0]} candles, or {numbers[0]} less than {record.name}"
    if len(numbers) > 1:
        problem = f"{first[0]} is no name of {record.name} here"
    if len(text) > _LONGEST:
        instead = f"write {as_parameters(first)}, or with blanks: {apart(first)}"
    else:
        meant = pattern.sub(as_parameters, text)
        # What it lacks besides, such as the name of an output, is said of that text.
        read(meant)
        instead = f"write {meant}" + ("" if len(numbers) > 1 else f", or with blanks: {pattern.sub(apart, text)}")
    raise complaint(f"{problem}; {instead}", text, first.start())


def _takes_candles(name: str) -> bool:
    """Whether the first number of an indicator is a number of candles."""
    parameters = vocabulary.find_indicator(name).parameters
    return bool(parameters) and parameters[0].whole


def _around(text: str, part: re.Match[str]) -> tuple[str, str]:
    """A short text before and behind a part of it."""
    return (text[: part.start()], text[part.end() :]) if len(text) <= _LONGEST else ("", "")
