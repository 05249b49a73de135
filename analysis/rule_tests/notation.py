"""The short notation of a series of values, as promtool has it for alert rules.

100 101.5 99       three values
100-1x20           100, then 20 more, each 1 less than the one before: 21 values
100x4              100, then 4 more of it
_                  a missing candle;   _x3   three of them
?                  a value that is not known, on a candle that exists;   ?x14   fourteen of them
T F U              truths;   Ux14   fourteen of them
"""

import math
import re

from common.errors import RuleTestError
from engine.program import FALSE, TRUE, UNKNOWN

LONGEST = 1_000_000
"""Values of one series, at most: a typing error shall not fill the memory."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"(?P<first>{_NUMBER})(?:(?P<step>[+-](?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?x(?P<more>\d+))?")
_SIGNS = re.compile(r"(?P<sign>[_TFU])(?:x(?P<count>\d+))?")
_TRUTHS = {"T": TRUE, "F": FALSE, "U": UNKNOWN, "_": None}


def read_values(text: str) -> list[float | None]:
    """The values of a text: ``None`` is a missing candle, NaN a value that is not known.

    Raises :class:`common.errors.RuleTestError`.
    """
    values: list[float | None] = []
    for word in text.split():
        sign, numbers = _SIGNS.fullmatch(word), _NUMBERS.fullmatch(word)
        if sign is not None and sign["sign"] in "_U":
            values += [None if sign["sign"] == "_" else math.nan] * _count(sign["count"], word)
        elif numbers is not None:
            first, step = float(numbers["first"]), float(numbers["step"] or 0)
            more = 0 if numbers["more"] is None else _count(numbers["more"], word)
            values += [first + step * number for number in range(more + 1)]
        else:
            raise RuleTestError(
                f"{word!r} is neither a value nor a run of values; write 100, 100-1x20 (100 and 20 more, each 1 less),"
                " _ for a missing candle, or U for a value that is not known"
            )
        _check_length(values)
    return values


def read_truths(text: str) -> list[int | None]:
    """The truths of a text, as the engine's numbers; ``None`` is a missing candle.

    Raises :class:`common.errors.RuleTestError`.
    """
    truths: list[int | None] = []
    for word in text.split():
        sign = _SIGNS.fullmatch(word)
        if sign is None or sign["sign"] not in _TRUTHS:
            raise RuleTestError(
                f"{word!r} is no truth; write T, F or U (TRUE, FALSE, UNKNOWN), _ for a missing candle, and Ux14 for"
                " fourteen of one"
            )
        truths += [_TRUTHS[sign["sign"]]] * _count(sign["count"], word)
        _check_length(truths)
    return truths


def _count(text: str | None, word: str) -> int:
    count = 1 if text is None else int(text[:12])
    if not 1 <= count <= LONGEST:
        raise RuleTestError(f"{word!r} stands for {text} values; a series has from 1 to {LONGEST:,}")
    return count


def _check_length(values: list[float | None] | list[int | None]) -> None:
    if len(values) > LONGEST:
        raise RuleTestError(f"the series has more than {LONGEST:,} values; test fewer")
