"""Which words of a bot's configuration are those of a condition."""

import re
from functools import cache

from registry.language import vocabulary
from registry.language.as_text.text import names_series

_LONGEST_NAME = 64
_SIGN = re.compile(r"[<>=\u2264\u2265]")
# An address or a key may contain the name of an indicator and a sign.
_CLOSED_UP = re.compile(
    r"[a-z_]\w*(\([\w.,=]*\))?(\.\w+)?[<>=\u2264\u2265]+-?[\w.]+(\([\w.,=]*\))?(\.\w+)?", re.IGNORECASE
)
_LITTLE_WORDS = frozenset({
    "is", "at", "in", "out", "of", "not", "than", "or", "equal", "to", "by", "up", "down", "most", "least", "channel",
    "range", "percent", "pct",
})  # fmt: skip
"""Words of operators that mean nothing by themselves."""
PLAIN_WORDS = frozenset({"open", "close", "high", "low", "volume", "price", "ma", "ad"})
"""Names that occur in sentences about anything else, too."""


def looks_like_text(text: str, *, announced: bool) -> bool:
    """Whether a text is meant as a condition: it compares a price or an indicator, or names a series.

    Where conditions are ``announced``, the name of an indicator among other words is enough.
    """
    if "://" in text or (" " not in text.strip() and _CLOSED_UP.fullmatch(text.strip()) is None):
        return False
    if ":" in text and names_series(text):
        return True
    words = re.findall(r"[a-z_][a-z0-9_]*", text.lower())
    if not any(is_operand(word) for word in words):
        return False
    if _SIGN.search(text) is not None or not _comparing_words().isdisjoint(vocabulary.fold(text).split("_")):
        return True
    return announced and len(words) > 1 and any(is_operand(word) and word not in PLAIN_WORDS for word in words)


def is_operand(word: object) -> bool:
    """Whether a value is the name of a price or an indicator."""
    if not isinstance(word, str) or len(word) > _LONGEST_NAME:
        return False
    return vocabulary.find_price(word) is not None or vocabulary.known_named(word) is not None


@cache
def _operators() -> frozenset[str]:
    return frozenset((*vocabulary.COMPARISONS, *vocabulary.CHANNELS, *vocabulary.MOVES, *vocabulary.TRENDS, "=", "=="))


@cache
def _comparing_words() -> frozenset[str]:
    words = {word for operator in _operators() for word in operator.split("_")}
    return frozenset((words | {"touches", "hits", "reaches", "equals"}) - _LITTLE_WORDS)


def is_operator(word: object) -> bool:
    """Whether a value spells an operator; ``=`` is one that the language refuses."""
    return isinstance(word, str) and vocabulary.fold(word) in _operators()
