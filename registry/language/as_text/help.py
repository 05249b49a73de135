"""What to write instead: a text that cannot be read is put into our words, and offered if it can be read then.

    BTCUSDT 1h: rsi 14 touches 30        ->  BTCUSDT 1h: rsi(14) crosses 30
    ta.crossover(ta.ema(close, 12), 5)   ->  BTCUSDT 1h: ema(12, close) crosses_above 5

What is offered has been read: it is a condition. Whether it is the one that was meant is for the trader to say.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from common.errors import ConditionError, TimeframeError
from common.timeframes import normalise_timeframe
from registry.language import vocabulary
from registry.language.as_text.other_words import TIMEFRAME, in_our_words, indicator_names
from registry.language.as_text.syntax import complaint

_LONGEST = 200
"""Characters of a text that is worth putting into other words."""
_EXAMPLE = "BTCUSDT 1h: "
_ANY_CASE = re.IGNORECASE

T = TypeVar("T")

_SYMBOL = r"(?:[a-z]\w*:)?[a-z0-9]+(?:[/_-][a-z0-9]+)?(?:\.p)?"

_HEADER = re.compile(rf"\s*(?P<symbol>{_SYMBOL})(?:\s*,\s*|\s+)(?P<timeframe>{TIMEFRAME})\s*[:,]?(?=\s*\S)", _ANY_CASE)
_SYMBOL_AND_TIMEFRAME = re.compile(
    rf"\s*(?P<symbol>{_SYMBOL})[\s,;@:(\[|/-]*(?:(?:on|at)\s+)?(?P<timeframe>{TIMEFRAME})[\s)\],:;|-]*", _ANY_CASE
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


def helped(text: str, read: Callable[[str], T], *, whole: bool = True) -> T:
    """What ``read`` makes of ``text``; its error says what to write instead, if that is known.

    ``whole`` texts have a symbol and a timeframe; parts of a condition, whose series is named elsewhere, do not.
    """
    _refuse_ambiguous(text)
    try:
        return read(text)
    except ConditionError as error:
        instead = next(_readable(text, read, whole), None) if len(text) <= _LONGEST else None
        if instead is None:
            raise
        problem, *excerpt = str(error).split("\n")
        # What to write is known: what else there might be would distract.
        problem = re.sub(r" \(did you mean .*?\)|;.*", "", problem)
        message = "\n".join([f"{problem}; write {instead}", *excerpt])
        raise ConditionError(message, position=error.position, pointer=error.pointer) from error


def _readable(text: str, read: Callable[[str], object], whole: bool) -> Iterator[str]:
    """Other texts that can be read, the best first."""
    heads, expression = _heads(text)
    if not whole:
        # What belongs to a condition that names its series elsewhere.
        heads = [""]
    for head in heads:
        for other in dict.fromkeys((" ".join(expression.split()), in_our_words(expression))):
            candidate = f"{head}{other}"
            if candidate != text:
                try:
                    read(candidate)
                except ConditionError:
                    continue
                yield candidate


def _heads(text: str) -> tuple[list[str], str]:
    """The beginnings that a whole text may have had in mind, and what follows."""
    for pattern in (_SYMBOL_AND_TIMEFRAME, _TIMEFRAME_AND_SYMBOL, _SYMBOL_ALONE, _TIMEFRAME_ALONE):
        head = pattern.match(text)
        if head is None:
            continue
        parts = {"symbol": "BTCUSDT", "timeframe": "1h"} | head.groupdict()
        if _names_instrument(parts["symbol"]) and _is_timeframe(parts["timeframe"]):
            return [f"{parts['symbol']} {parts['timeframe']}: "], text[head.end() :]
    return ["", _EXAMPLE], text


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


def _refuse_ambiguous(text: str) -> None:
    """Refuses ``RSI-7``, which is a name on some platforms and a subtraction here."""
    if re.search(r"[A-Za-z]-\d", text) is None:
        return
    for name in re.finditer(rf"(?<![\w.@:/)-])({indicator_names()})-(\d+)(?![\w.(])", text, _ANY_CASE):
        word, number = name.groups()
        record = vocabulary.find_indicator(word)
        if record.parameters and record.parameters[0].whole:
            is_short = len(text) <= _LONGEST
            before, after = (text[: name.start()], text[name.end() :]) if is_short else ("", "")
            raise complaint(
                f"{name[0]} may be {record.name} over {number} candles, or {number} less than {record.name};"
                f" write {before}{record.name}({number}){after}, or with blanks: {before}{word} - {number}{after}",
                text,
                name.start(),
            )
