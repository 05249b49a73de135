"""Other timeframes and instruments: ``rsi on 4h``, ``4h rsi``, ``rsi of ETHUSDT``, ``yesterday's high``."""

import re

from registry.language import vocabulary
from registry.language.as_text.other_words.patterns import (
    BEGIN,
    COMPARING,
    END,
    INSIDE,
    SIDE,
    TIMEFRAME,
    VARIABLE,
    WORD,
    Rule,
    closed_up,
)

_SYMBOL = r"(?:[a-z]\w*:)?[a-z0-9]+[/-]?(?:usdt|usdc|fdusd|usd|eur|btc)(?:\.p)?\b"
_CHART = r"(?:\s+(?:chart|timeframe|time\s?frame|tf|candles?))?"
_ON = rf"\s+(?:on|at|in)\s+(?:the\s+)?({TIMEFRAME}){_CHART}"
_LONGER = r"(daily|weekly)"
_NAMES_OF_LONGER = {"daily": "1d", "weekly": "1w", "yesterday": "1d", "last week": "1w"}
_NO_AND = rf"(?:{INSIDE}|(?!\b(?:and|or|then|for|within)\b)[^,;&|()])+?"


def _placed(match: re.Match[str]) -> str:
    """Everything that the first group compares or is computed from, read at the place that follows."""
    placed = _everywhere(match[1], closed_up(match[2]))
    return match[0] if placed == match[1] else placed


def _behind_its_place(match: re.Match[str]) -> str:
    """``ETHUSDT rsi`` -> ``rsi@ETHUSDT``."""
    placed = _everywhere(match[2], match[1])
    return match[0] if placed == match[2] else placed


def _everywhere(text: str, place: str) -> str:
    def at_the_place(variable: re.Match[str]) -> str:
        name = re.split(r"[(\[.@]", variable[0])[0]
        is_read = vocabulary.find_price(name) is not None or vocabulary.known_named(name) is not None
        return f"{variable[0]}@{place}" if is_read and f"@{place}" not in variable[0] else variable[0]

    return re.sub(VARIABLE, at_the_place, text, flags=re.IGNORECASE)


def _of_a_longer_candle(match: re.Match[str]) -> str:
    when, price = match.groups()
    return f"{price}@{_NAMES_OF_LONGER[' '.join(when.lower().split())]}"


def _on_a_longer_timeframe(match: re.Match[str]) -> str:
    """``daily rsi`` -> ``rsi@1d``. The daily open is that of a day that has not ended: there is no word for it."""
    when, variable = match.groups()
    if vocabulary.find_price(re.split(r"[(\[.@]", variable)[0]) is not None:
        return match[0]
    return f"{variable}@{_NAMES_OF_LONGER[when.lower()]}"


def _of_an_indicator(match: re.Match[str]) -> str:
    """``rsi(14)[4h]`` -> ``rsi(14)@4h``. ``close[4h]`` may be the close of four hours ago."""
    is_price = vocabulary.find_price(re.split(r"[(\[.@]", match[1])[0]) is not None
    return match[0] if is_price else f"{match[1]}@{closed_up(match[2])}"


PLACES: tuple[Rule, ...] = (
    (r"\b(yesterday|last\s+week)(?:'s)?\s+(open|high|low|close|volume)\b", _of_a_longer_candle),
    (rf"\b{_LONGER}\s+({VARIABLE})", _on_a_longer_timeframe),
    (rf"\s+(?:on|at|in)\s+(?:the\s+)?{_LONGER}\b", lambda match: f" on {_NAMES_OF_LONGER[match[1].lower()]}"),
    (rf"(?:{BEGIN})({_NO_AND}(?:{COMPARING}){_NO_AND}){_ON}{END}", lambda match: f" {_placed(match)}"),
    (rf"({SIDE}){_ON}", _placed),
    (rf"({SIDE})\s+(?:on|of|for|at|in)\s+({_SYMBOL})", _placed),
    (rf"({VARIABLE})\s+({TIMEFRAME})", _placed),
    (rf"({VARIABLE})\[({TIMEFRAME})\]", _of_an_indicator),
    (rf"(?<![\w.@])({WORD}?)[_.]({TIMEFRAME})", _placed),
    (rf"(?<![\w@])({TIMEFRAME})\s+({VARIABLE})", lambda match: f"{match[2]}@{closed_up(match[1])}"),
    (rf"(?<![\w@(])({_SYMBOL})\.(?={WORD})", r"\1 "),
    (rf"(?<![\w@(])({_SYMBOL})\s+({VARIABLE})", _behind_its_place),
    (rf"(?<![\w@(])({_SYMBOL})(?=\s*{COMPARING})", r"close@\1"),
)
"""Rules for a text whose names are ours."""
