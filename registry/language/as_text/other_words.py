"""The words of other platforms, and of plain speech, put into ours.

    rsi 14 touches 30                             ->  rsi(14) crosses 30
    ta.crossover(ta.ema(close, 12), 60,000)       ->  ema(12, close) crosses_above 60000
    macd crosses above signal on 4h               ->  macd.line@4h crosses above macd.signal@4h

The rules may be wrong about a text: whoever uses them reads what comes out, and asks before acting on it.
"""

import re
from collections.abc import Callable
from functools import cache, reduce

from common.timeframes import UNITS
from indicators.catalogue import PRICES, catalogue
from registry.language import vocabulary

_ANY_CASE = re.IGNORECASE

Rule = tuple[str, str | Callable[[re.Match[str]], str]]
"""A pattern, in any case, and what stands in its place."""

_WORD = r"[a-z_]\w*"
_NUMBER = r"-?\d+(?:\.\d+)?"
_VARIABLE = rf"(?<![\w.@]){_WORD}(?:\([^()]*\))?(?:\.{_WORD})?(?:\[\d+\])?(?:@[\w:/.]+)*"
_OPERAND = rf"(?:{_VARIABLE}|(?<![\w.]){_NUMBER})"
_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
TIMEFRAME = rf"\d+\s?(?:{_UNIT})\b"
"""A pattern, in any case."""


@cache
def indicator_names() -> str:
    """A pattern of the names and aliases of all indicators, longer ones first."""
    names = [name for record in catalogue().values() for name in (record.name, *record.aliases)]
    return "|".join(sorted(names, key=len, reverse=True))


def in_our_words(expression: str) -> str:
    """``expression`` as we would write it, as far as a rule knows how."""
    text = expression.translate(_CHARACTERS)
    text = _replaced(text, _PREFIXES)
    text = _calls(text)
    return " ".join(_replaced(text, _rules()).split())


def _replaced(text: str, rules: tuple[Rule, ...]) -> str:
    return reduce(lambda part, rule: re.sub(rule[0], rule[1], part, flags=_ANY_CASE), rules, text)


_CHARACTERS = str.maketrans(
    {"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2260": "!=", "\u00a0": " ",
     "\u2009": " ", "\u202f": " ", "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'"}
)  # fmt: skip
_PREFIXES: tuple[Rule, ...] = (
    (r"[\s.;!?]+$", ""),
    (r"^\s*(?:(?:buy|sell|long|short|alert|entry|exit)\s+)?(?:me\s+)?(?:if|when|once)\s+", ""),
    (rf"\b(?:df|dataframe|data)\[\s*['\"]({_WORD})['\"]\s*\]", r"\1"),
    (rf"\b(?:ta|talib|pta|qtpylib|math|np|df|dataframe|data|abstract)\.(?={_WORD})", ""),
    (r"\[\s*-\s*(\d+)\s*\]|\.shift\(\s*(\d+)\s*\)", lambda match: f"[{match[1] or match[2]}]"),
)


@cache
def _rules() -> tuple[Rule, ...]:
    names = indicator_names()
    rising = r"above|over|up\s+through|higher\s+than"
    falling = r"below|under|down\s+through|lower\s+than"
    moving = (
        r"goes|going|went|drops?|dropped|falls?|falling|dips?|breaks?|breaking|broke|moves?|rises?|climbs?|gets?|jumps?"
    )
    comparing = r"<=?|>=?|below|above|under|over|rises|rising|up|gains|falls|falling|down|drops|loses"
    between_two = rf"\s*(?:[<>]=?|\s{_WORD}(?:\s+{_WORD})?\s)\s*"
    percent = rf"({_OPERAND})\s*(?:is\s+)?({comparing})\s*(?:by\s*)?({_NUMBER})\s*(?:%|percent\b|pct\b)"
    return (
        # Numbers.
        (r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)", lambda match: match[0].replace(",", "")),
        (r"(?<=\d)_(?=\d{3})", ""),
        (r"(?<![\w.])(\d+(?:\.\d+)?)k\b", lambda match: f"{float(match[1]) * 1000:.15g}"),
        (r"[$\u20ac]\s*(?=[\d.])|(?<=\d)\s*(?:[$\u20ac]|usdt?\b|usdc\b|eur\b)", ""),
        # Parameters without parentheses.
        (rf"(?<![\w.])({names})(?:\s+|-)(\d+(?:\s*,\s*\d+(?:\.\d+)?)*)(?![\w.%])", r"\1(\2)"),
        (rf"(?<![\w.])(\d+)[\s-]+(?:(?:period|day|bar|candle)s?[\s-]+)?({names})(?![\w.(])", r"\2(\1)"),
        # Outputs.
        (r"(?<![\w.])(upper|lower|middle)\s+(?:bb|bollinger)(?:\s+band)?s?(?!\w)", r"bbands.\1"),
        (r"(?<![\w.])(?:bb|bbands|bollinger(?:\s+bands?)?)\s+(upper|lower|middle)(?:\s+band)?(?!\w)", r"bbands.\1"),
        (r"(?<![\w.])macd\s*_?(signal|hist(?:ogram)?|line)(?:\s+line)?(?!\w)", r"macd.\1"),
        (r"^.*$", _with_outputs),
        # Words.
        (r"\b(?:previous|prev|last)\s+(open|high|low|close|volume)\b", r"\1[1]"),
        (rf"({_VARIABLE})\s+(\d+)\s+(?:bar|candle)s?\s+(?:ago|back)\b", r"\1[\2]"),
        (rf"(?:\b(?:close|price|candle|it)\s+)?\bclos(?:es|ed|ing)\s+(?:{rising})\b", "close >"),
        (rf"(?:\b(?:close|price|candle|it)\s+)?\bclos(?:es|ed|ing)\s+(?:{falling})\b", "close <"),
        (rf"\bcross(?:es|ed|ing)?\s+({_OPERAND})\s+(?:from\s+below|upwards?)\b", r"crosses_above \1"),
        (rf"\bcross(?:es|ed|ing)?\s+({_OPERAND})\s+(?:from\s+above|downwards?)\b", r"crosses_below \1"),
        (rf"\b(?:{moving})\s+(?:{rising})\b", "crosses_above"),
        (rf"\b(?:{moving})\s+(?:{falling})\b", "crosses_below"),
        (r"\b(?:touch(?:es|ed|ing)?|hits?|reach(?:es|ed)?|tags?)\b", "crosses"),
        (r"\bis\s+(?:higher|greater|bigger|more)\s+than\b", ">"),
        (r"\bis\s+(?:lower|less|smaller)\s+than\b", "<"),
        (r"\bis\s+(?=[<>=!\u2264\u2265])", ""),
        # Logic.
        (r"\s*&+\s*", " and "),
        (r"\s*\|+\s*", " or "),
        (r"(?:!(?!=)|~)\s*(?=[a-z(])", "not "),
        # Comparisons.
        (rf"({_OPERAND})\s*(?:!=|<>)\s*({_OPERAND})", r"\1 outside \2 and \2"),
        (rf"({_OPERAND})\s*(?:(?<![<>=!])={{1,3}}(?!=)|\b(?:is\s+)?equals?(?:\s+to)?\b)\s*({_OPERAND})", _equal),
        (percent, _percentage),
        (rf"({_VARIABLE})(\s*(?:[<>]=?|{_WORD})\s*{_NUMBER})\s+(?:on|at|in)\s+(?:the\s+)?({TIMEFRAME})", _placed),
        (rf"({_VARIABLE})({between_two})({_VARIABLE})\s+(?:on|at|in)\s+(?:the\s+)?({TIMEFRAME})", _both_placed),
        (rf"({_VARIABLE})()\s+(?:on|at|in)\s+(?:the\s+)?({TIMEFRAME}|[a-z]*[A-Z]{{5,}}(?:\.P)?)\b", _placed),
        (rf"({_VARIABLE})()\s+({TIMEFRAME})", _placed),
        (rf"()(?<![\w@])({TIMEFRAME})\s+({_VARIABLE})", lambda match: f"{match[3]}@{_closed_up(match[2])}"),
        (rf"({_OPERAND})\s*([<>]=?)\s*({_OPERAND})\s*([<>]=?)\s*({_OPERAND})", r"\1 \2 \3 and \3 \4 \5"),
        (r"^.*$", _joined),
    )


def _with_outputs(match: re.Match[str]) -> str:
    """``macd crosses signal`` -> ``macd.line crosses macd.signal``; the parameters of one are those of all."""
    text = match[0]
    written = re.search(r"\b(macd|ppo)(\([^()]*\))?", text, _ANY_CASE)
    name = "macd" if written is None else written[0]
    for pattern, output in ((r"signal(?:[\s_]+line)?", "signal"), (r"hist(?:ogram)?", "histogram")):
        text = re.sub(rf"(?<![\w.]){pattern}(?![\w(])", f"{name}.{output}", text, flags=_ANY_CASE)
    return re.sub(r"(?<![\w.])((?:macd|ppo)(?:\([^()]*\))?)(?![\w.(])", r"\1.line", text, flags=_ANY_CASE)


def _equal(match: re.Match[str]) -> str:
    left, right = match.groups()
    return match[0] if vocabulary.is_parameter(left) else f"{left} crosses {right}"


def _percentage(match: re.Match[str]) -> str:
    """A move of a price; of an oscillator, which goes from 0 to 100, the number that it stands for."""
    left, word, number = match.groups()
    rises = word.lower() in (">", ">=", "above", "over", "rises", "rising", "up", "gains")
    if vocabulary.find_price(left) is None and word.lower() in (
        "<",
        "<=",
        ">",
        ">=",
        "below",
        "above",
        "under",
        "over",
    ):
        return f"{left} {word} {number}"
    return f"{left} {'rises_by' if rises else 'falls_by'} {number.lstrip('-')}%"


def _placed(match: re.Match[str]) -> str:
    left, between, place = match.groups()
    return f"{left}@{_closed_up(place)}{between}"


def _both_placed(match: re.Match[str]) -> str:
    left, between, right, place = match.groups()
    return f"{left}@{_closed_up(place)}{between}{right}@{_closed_up(place)}"


def _closed_up(text: str) -> str:
    return text.replace(" ", "")


def _joined(match: re.Match[str]) -> str:
    """Commas outside of parentheses, and semicolons, are ``and``."""
    parts = _split(match[0], ",;")
    return " and ".join(part.strip() for part in parts) if len(parts) > 1 else match[0]


def _split(text: str, marks: str) -> list[str]:
    """``text`` at each of the ``marks`` outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character in marks and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _calls(text: str) -> str:
    """``text`` with every call as we write it, those inside others first."""
    begin = re.compile(rf"(?<![\w.])({_WORD})\s*\(", _ANY_CASE)
    done = 0
    while (call := begin.search(text, done)) is not None:
        depth, place = 1, call.end()
        while place < len(text) and depth:
            depth += (text[place] == "(") - (text[place] == ")")
            place += 1
        if depth:
            return text
        inside = _calls(text[call.end() : place - 1])
        written = _call(call[1], [part.strip() for part in _split(inside, ",")])
        if written is None:
            written = f"{call[0]}{inside})"
        text = text[: call.start()] + written + text[place:]
        done = call.start() + len(written)
    return text


def _call(name: str, arguments: list[str]) -> str | None:
    """``crossover(a, b)`` as a comparison, ``rsi(close, 14)`` with its numbers first; ``None`` for any other call."""
    operator = vocabulary.COMPARISONS.get(vocabulary.fold(name))
    if operator is not None and len(arguments) == 2:
        return f"{arguments[0]} {operator} {arguments[1]}"
    record = vocabulary.known_indicator(name)
    if record is None:
        return None
    timeframes = [argument for argument in arguments if re.fullmatch(TIMEFRAME, argument, _ANY_CASE)]
    numbers = [argument for argument in arguments if re.fullmatch(rf"{_NUMBER}|{_WORD}\s*=.*", argument, _ANY_CASE)]
    sources = [argument for argument in arguments if argument not in (*timeframes, *numbers, "df", "dataframe", "data")]
    if not record.has_source and all(source.lower() in PRICES for source in sources):
        sources = []
    written = f"{name}({', '.join([*numbers, *sources])})" if numbers or sources else name
    return "".join([written, *(f"@{_closed_up(timeframe)}" for timeframe in timeframes)])
