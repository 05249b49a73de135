"""What the rules about other words are made of: patterns of names, operands and comparisons, in any case.

A rule takes whole sides of a comparison, from where they begin: put behind a part of ``close / sma(20)``, what belongs
to the whole of it would make another condition.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, reduce

from common.timeframes import UNITS
from indicators.catalogue import catalogue

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""A pattern, in any case, and what stands in its place."""

INSIDE = r"\((?:[^()]|\([^()]*\))*\)"
WORD = r"[a-z_]\w*"
NUMBER = r"-?\d+(?:\.\d+)?"
_KEYWORDS = r"(?!(?:and|or|not|then|for|within|during|before|every|all|any)\b)"
VARIABLE = rf"(?<![\w.@]){_KEYWORDS}{WORD}(?:{INSIDE})?(?:\.{WORD})?(?:\[\d+\])?(?:@[\w:/.]+)*"
OPERAND = rf"(?:{VARIABLE}|(?<![\w.]){NUMBER})"
_ATOM = rf"(?:{OPERAND}|{INSIDE})"
SIDE = rf"{_ATOM}(?:\s*[-+*/]\s*{_ATOM})*"
"""One side of a comparison, with its arithmetic."""
BEGIN = r"(?:^|(?<=[(,;])|(?<=\band\b)|(?<=\bor\b)|(?<=\bnot\b)|(?<=\bthen\b))\s*"
"""Where a comparison begins."""
END = r"(?=\s*(?:$|[),;&|]|(?:and|or|then|for|within)\b))"
"""Where a comparison ends."""
COMPARING = (
    r"(?:[<>]=?|=[<>]|[\u2264\u2265]|cross(?:es|ed|ing)?[\s_]+(?:above|below|over|under|up|down)\b"
    r"|(?:crosses|above|below|over|under)\b)"
)
"""An operator between two sides."""

ABOVE = r"above|over|(?:higher|greater|bigger|more|larger)\s+than"
BELOW = r"below|under|(?:lower|less|smaller)\s+than"

UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
TIMEFRAME = rf"\d+\s?(?:{UNIT})\b"


def replaced(text: str, rules: Iterable[Rule]) -> str:
    """``text`` after each of the rules in turn."""
    return reduce(lambda part, rule: re.sub(rule[0], rule[1], part, flags=re.IGNORECASE), rules, text)


def split(text: str, marks: str) -> list[str]:
    """``text`` at each of the ``marks`` outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character in marks and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def closed_up(text: str) -> str:
    """``text`` without blanks."""
    return "".join(text.split())


def shortest(number: float) -> str:
    """A number with no more digits than a trader would write."""
    return f"{number:.12g}"


@cache
def indicator_names() -> str:
    """A pattern of the names and aliases of all indicators, longer ones first."""
    names = [name for record in catalogue().values() for name in (record.name, *record.aliases)]
    return "|".join(sorted(names, key=len, reverse=True))
