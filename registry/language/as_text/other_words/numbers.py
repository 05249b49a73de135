"""Numbers as people write them, and shares: ``60,000``, ``1.5M``, ``2x``, ``5% above sma(200)``, ``200% of sma(20)``.

A percentage needs something that it is a percentage of. A price moves by one; an oscillator that goes from 0 to 100 is
one; an indicator in units of the price is compared with a share of the price; of anything else, nobody knows.
"""

import re

from registry.language import vocabulary
from registry.language.as_text.other_words.patterns import (
    ABOVE,
    BEGIN,
    BELOW,
    COMPARING,
    END,
    NUMBER,
    OPERAND,
    SIDE,
    VARIABLE,
    Rule,
    shortest,
)

_MANY = {"m": 1e6, "mio": 1e6, "mln": 1e6, "b": 1e9, "bn": 1e9}
_PERCENT = r"\s*(?:%|percent\b|pct\b)"
_IN_PERCENT = frozenset({"roc", "ppo", "natr", "trix"})
"""Indicators without bounds whose values are percentages."""
_FRACTIONS = frozenset({"percent_b", "bandwidth"})
"""Outputs of which 1 is the whole."""
_LIKE_PRICES = frozenset({
    "sma", "ema", "wma", "dema", "tema", "hma", "rma", "vwma", "kama", "vwap", "atr", "stdev", "macd", "mom", "highest",
    "lowest",
})  # fmt: skip
"""Indicators in units of the price."""

_UP = r"rises|rising|rose|risen|up|gains|gained|increases|increased|climbs|pumps|pumped|jumps|jumped"
_DOWN = r"falls|falling|fell|fallen|down|drops|dropped|loses|lost|decreases|decreased|declines|dumps|dumped|dips"

PLAIN_NUMBERS: tuple[Rule, ...] = (
    (r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)", lambda match: match[0].replace(",", "")),
    (r"(?<![\w.,'])\d{1,3}(?:'\d{3})+(?![\d'])", lambda match: match[0].replace("'", "")),
    (rf"({COMPARING}\s*)(\d{{1,3}}(?: \d{{3}})+)(?![\w,.])", lambda match: match[1] + match[2].replace(" ", "")),
    (r"(?<![\w.,])\d{1,3}(?:\.\d{3})+,\d+(?![\w,.])", lambda match: match[0].replace(".", "").replace(",", ".")),
    (rf"({COMPARING}\s*\d+),(\d{{1,2}})(?![\w,.])", r"\1.\2"),
    (r"(?<=\d)_(?=\d{3})", ""),
    (r"(?<![\w.])(\d+(?:\.\d+)?)k\b", lambda match: shortest(float(match[1]) * 1000)),
    (r"[$\u20ac]\s*(?=[\d.])|(?<=\d)\s*(?:[$\u20ac]|usdt?\b|usdc\b|eur\b)", ""),
    (
        rf"({COMPARING}\s*)(\d+(?:\.\d+)?)\s?({'|'.join(sorted(_MANY, key=len, reverse=True))})\b",
        lambda match: match[1] + shortest(float(match[2]) * _MANY[match[3].lower()]),
    ),
    (rf"(?<![\w.])(\d+(?:\.\d+)?)\s*(?:x|times)\s+(?={VARIABLE})", r"\1 * "),
)


def _share(percent: str) -> str:
    return shortest(float(percent) / 100)


def _beyond(match: re.Match[str]) -> str:
    """``close 5% above sma(200)`` -> ``close > 1.05 * sma(200)``."""
    left, percent, word, right = match.groups()
    return _at_a_distance(left, percent, word, right)


def _by(match: re.Match[str]) -> str:
    """``close above sma(200) by 5%``."""
    left, word, right, percent = match.groups()
    return _at_a_distance(left, percent, word, right)


def _at_a_distance(left: str, percent: str, word: str, right: str) -> str:
    above = re.fullmatch(rf"{ABOVE}|>", word, re.IGNORECASE) is not None
    factor = 1 + float(percent) / 100 * (1 if above else -1)
    return f"{left} {'>' if above else '<'} {shortest(factor)} * {right}"


def _farther(match: re.Match[str]) -> str:
    """``sma(200) + 5%`` -> ``sma(200) * 1.05``."""
    variable, sign, percent = match.groups()
    return f"{variable} * {shortest(1 + float(f'{sign}{percent}') / 100)}"


def _signed(match: re.Match[str]) -> str:
    """``close +3%`` -> ``close rises_by 3%``."""
    variable, sign, percent = match.groups()
    return f" {variable} {'rises_by' if sign == '+' else 'falls_by'} {percent}%"


def _moved(match: re.Match[str]) -> str:
    """``close drops by 5%`` -> ``close falls_by 5%``."""
    begin, side, word, percent = match.groups()
    rises = re.fullmatch(_UP, word, re.IGNORECASE) is not None
    return f"{begin}{side} {'rises_by' if rises else 'falls_by'} {percent.lstrip('-')}%"


def _compared(match: re.Match[str]) -> str:
    """``rsi < 30%`` -> ``rsi < 30``, ``atr > 1%`` -> ``atr > 0.01 * close``."""
    begin, side, operator, percent = match.groups()
    name = re.split(r"[(\[.@]", side)[0]
    if re.fullmatch(VARIABLE, side, re.IGNORECASE) is None:
        # The share that one thing is of another is a number; of a difference, it could be that of either.
        number = _share(percent) if re.fullmatch(r"[^-+/]*/[^-+/]*", side) else None
    elif vocabulary.find_price(name) is not None:
        rises = re.fullmatch(rf"{ABOVE}|>=?", operator, re.IGNORECASE) is not None
        operator, number = "rises_by" if rises else "falls_by", f"{percent.lstrip('-')}%"
    else:
        number = _number_of_an_indicator(name, side, percent)
    return match[0] if number is None else f"{begin}{side} {operator} {number}"


def _number_of_an_indicator(name: str, written: str, percent: str) -> str | None:
    """What a percentage is in the unit of an indicator's output; ``None`` where nobody knows."""
    known = vocabulary.known_named(name)
    if known is None:
        return None
    record, _, attached = known
    after_the_name = re.search(r"\.([a-z_]\w*)", written, re.IGNORECASE)
    output_name = after_the_name[1] if after_the_name is not None else attached or record.default_output
    output = next((one for one in record.outputs if one.name == output_name), None)
    if output is not None and output.name in _FRACTIONS:
        return _share(percent)
    if record.name in _IN_PERCENT or (output is not None and output.low is not None and output.high in (0, 100)):
        return percent
    return f"{_share(percent)} * close" if record.name in _LIKE_PRICES else None


_CLOSER = rf"{ABOVE}|{BELOW}"

SHARES: tuple[Rule, ...] = (
    (
        rf"({VARIABLE})\s+(?:is\s+)?within\s+({NUMBER}){_PERCENT}\s+of\s+({VARIABLE})",
        lambda match: f"abs({match[1]} - {match[3]}) <= {_share(match[2])} * {match[3]}",
    ),
    (rf"({NUMBER}){_PERCENT}\s+of\s+(?={VARIABLE})", lambda match: f"{_share(match[1])} * "),
    (rf"({SIDE})\s+(?:is\s+)?({NUMBER}){_PERCENT}\s+({_CLOSER})\s+({OPERAND})", _beyond),
    (rf"({SIDE})\s*(?:is\s+)?\b({_CLOSER})\s+({VARIABLE})\s+by\s+({NUMBER}){_PERCENT}", _by),
    (rf"({SIDE})\s*([<>])\s*({VARIABLE})\s+by\s+({NUMBER}){_PERCENT}", _by),
    (rf"{BEGIN}({VARIABLE})\s*([-+])\s*(\d+(?:\.\d+)?){_PERCENT}{END}", _signed),
    (rf"({VARIABLE})\s*([-+])\s*(\d+(?:\.\d+)?){_PERCENT}", _farther),
    (rf"({BEGIN})({SIDE})\s+(?:is\s+|has\s+|moves\s+)?({_UP}|{_DOWN})\s*(?:by\s*)?({NUMBER}){_PERCENT}", _moved),
    (rf"({BEGIN})({SIDE})\s*(?:is\s+)?([<>]=?|\b(?:{_CLOSER})\b)\s*({NUMBER}){_PERCENT}", _compared),
)
"""Numbers with a percent sign, once names and calls are ours."""
