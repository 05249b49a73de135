"""Plain speech, and the signs and verbs of other platforms: ``touches``, ``is oversold``, ``golden cross``, ``&``."""

import re

from registry.language import vocabulary
from registry.language.as_text.other_words.names import levels
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
    WORD,
    Rule,
    split,
)

CHARACTERS = str.maketrans(
    {"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2260": "!=", "\u00a0": " ",
     "\u2009": " ", "\u202f": " ", "\u3000": " ", "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'"}
    | {0x2266: "<=", 0x2267: ">="}
    | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
)  # fmt: skip
"""Signs that look like ours, full-width ones among them."""

_TRADES = r"buy|sell|long|short|alert|entry|exit|notify|go\s+long|go\s+short"

PREFIXES: tuple[Rule, ...] = (
    (r"&lt;", "<"),
    (r"&gt;", ">"),
    (r"&amp;", "&"),
    (r"\s+(?://|#|--(?!\d)).*$", ""),
    (r"^\s*(['\"])([^'\"]*)\1\s*$", r"\2"),
    (r"[\s.;!?]+$", ""),
    (rf"^\s*(?:{_TRADES})\s*(?:me\s+)?(?:[:=]\s*)?(?:(?:if|when|once|whenever)\s+)?(?=\S)", ""),
    (r"^\s*(?:if|when|once|whenever)\s+", ""),
    (rf"[\s,]*(?:\bthen\s+)?\b(?:{_TRADES})(?:\s+me)?$", ""),
    (rf"\b(?:df|dataframe|data)\[\s*['\"]({WORD})['\"]\s*\]", r"\1"),
    (r"(?<!@)['\"]([\w:./-]+)['\"]", r"\1"),
    (rf"\b(?:pta|qtpylib|math|np|df|dataframe|data|abstract|request)\.(?={WORD})", ""),
    # The last of a column is the newest one.
    (r"\.(?:iloc|values)\[\s*-\s*(\d+)\s*\]", lambda match: f"[{int(match[1]) - 1}]" if match[1] != "1" else ""),
    (r"\[\s*-\s*(\d+)\s*\]|\.shift\(\s*(\d+)\s*\)", lambda match: f"[{match[1] or match[2]}]"),
)
"""What stands before, behind and around a condition elsewhere."""

LIBRARIES: Rule = (rf"\b(?:ta|talib)\.(?={WORD})", "")

_MOVING = (
    r"goes|going|went|drops?|dropped|falls?|falling|rising|climbing|dips?|(?:breaks?|breaking|broke)(?:\s+out)?|moves?|rises?|climbs?"
    r"|gets?|jumps?|turns?|turned|cross(?:es|ed|ing)?\s+(?:up|down|back)"
)
_THROUGH = r"up\s+through"
_DOWN_THROUGH = r"down\s+through"
_CROSSING = r"cross(?:es|ed|ing)?"
_CANDLES = r"(?:bars?|candles?)"


def _level(match: re.Match[str]) -> str:
    """``rsi is oversold`` -> ``rsi < 30``."""
    side, verb, word = match.groups()
    known = levels(re.split(r"[(\[.@]", side)[0])
    if known is None:
        return match[0]
    is_low, verb = word.lower() == "oversold", (verb or "is").strip().lower()
    level = known[0] if is_low else known[1]
    if verb in ("is", "gets"):
        return f"{side} {'<' if is_low else '>'} {level}"
    goes_down = is_low == (verb == "enters")
    return f"{side} {'crosses_below' if goes_down else 'crosses_above'} {level}"


def _crossover(match: re.Match[str]) -> str:
    """``macd bullish crossover`` -> ``macd.line crosses_above macd.signal``."""
    name, word = match.groups()
    call = re.sub(r"\.line$", "", name)
    above = word.lower().startswith("bullish")
    return f"{call}.line {'crosses_above' if above else 'crosses_below'} {call}.signal"


def _trend(match: re.Match[str]) -> str:
    """``supertrend is green`` -> ``close > supertrend``."""
    name, word = match.groups()
    return f"close {'>' if word.lower() in ('green', 'bullish', 'up', 'long') else '<'} {name}"


def _colour(match: re.Match[str]) -> str:
    """``3 consecutive green candles`` -> ``close > open for 3 bars``."""
    count, colour = match.groups()
    body = "close > open" if colour.lower() in ("green", "bullish", "up", "white") else "close < open"
    return body if count is None else f"{body} for {count} bars"


def _extreme(period: str, price: str) -> str:
    """The highest high, or the lowest low, of the candles before."""
    return f"{'highest' if price == 'high' else 'lowest'}({period}, {price})[1]"


def _new_extreme(period: str, price: str) -> str:
    """``new 20 bar high`` -> ``high > highest(20, high)[1]``."""
    return f"{price} {'>' if price == 'high' else '<'} {_extreme(period, price)}"


COMMON_NAMES: tuple[Rule, ...] = (
    (r"\bcross(es|ed|ing)?-(above|below|over|under|up|down)\b", r"cross\1 \2"),
    (r"(?<![\w.])zero(?:[\s-]+line)?\b", "0"),
    (r"(?<=\d)\s+(?:line|level)\b", ""),
    (r"\bgolden\s+cross(?:over)?\b", "sma(50) crosses_above sma(200)"),
    (r"\bdeath\s+cross(?:over)?\b", "sma(50) crosses_below sma(200)"),
    (rf"\b(?:(\d+)\s+)?(?:consecutive\s+)?(green|red|bullish|bearish|white|black)\s+{_CANDLES}\b", _colour),
    (r"\bcandle\s+(?:is|closes)\s+()(green|red)\b", _colour),
    (r"\b(?:higher|new)\s+(high|low)\b", r"\1 > \1[1]"),
    (r"\blower\s+(high|low)\b", r"\1 < \1[1]"),
    (rf"\binside\s+(?:{_CANDLES}|day)\b", "high < high[1] and low > low[1]"),
    (rf"\boutside\s+(?:{_CANDLES}|day)\b", "high > high[1] and low < low[1]"),
    (r"\bbullish\s+engulfing\b", "close[1] < open[1] and close > open[1] and open < close[1]"),
    (r"\bbearish\s+engulfing\b", "close[1] > open[1] and close < open[1] and open > close[1]"),
    (r"\b(psar|sar|supertrend)\s+flips\b", r"close crosses \1"),
    (r"\bvolume\s+spike\b", "volume > 2 * sma(20, volume)"),
    (r"\bnew\s+(\d+)[\s-]+(?:bar|candle)\s+(high|low)\b", lambda match: _new_extreme(match[1], match[2].lower())),
    (r"(?<![\w.])(\d+)[\s-]+(?:bar|candle)\s+(high|low)\b", lambda match: _extreme(match[1], match[2].lower())),
    (
        rf"(?<![\w.])(high|low)\s+(?:of|in|over)\s+(?:the\s+)?(?:last\s+|past\s+)?(\d+)\s+{_CANDLES}\b",
        lambda match: _extreme(match[2], match[1].lower()),
    ),
    (
        r"(?<![\w.])(\d+)[\s-]+(day|week)s?[\s-]+(high|low)\b",
        lambda match: _extreme(match[1], match[3].lower()).removesuffix("[1]") + f"@1{match[2][0].lower()}",
    ),
    (r"(?<![\w.])(?:bid|ask|last\s+price|mark\s+price|current\s+price)(?![\w(])", "close"),
    (r"\b(?:the|an?)\s+(?=[\w%])", ""),
)
"""What has a name of its own. For a text as it was written."""


VERBS: tuple[Rule, ...] = (
    (rf"({VARIABLE})\s+(is\s+|gets\s+|enters\s+|leaves\s+|exits\s+)?(oversold|overbought)\b", _level),
    (r"(?<=\w)\s+(?:but|while|with|plus)\s+(?=\w)", " and "),
    (r"\bfollowed\s+by\b", "then"),
    (rf"({VARIABLE})\s+was\s+({COMPARING})\s*({OPERAND})\s+(\d+)\s+{_CANDLES}\s+ago\b", r"\1[\4] \2 \3"),
    (r"((?:macd|ppo)(?:\([^()]*\))?\.line)\s+(bullish|bearish)\s+(?:cross(?:over|under|es|ing)?)\b", _crossover),
    (r"(supertrend(?:\([^()]*\))?)\s+(?:is|turns|flips(?:\s+to)?)\s+(green|red|bullish|bearish|up|down)\b", _trend),
    (rf"({VARIABLE})\s+(?:is|stays)\s+positive\b", r"\1 > 0"),
    (rf"({VARIABLE})\s+(?:is|stays)\s+negative\b", r"\1 < 0"),
    (rf"({VARIABLE})\s+(?:turns|goes|flips|becomes)\s+(?:positive|green)\b", r"\1 crosses_above 0"),
    (rf"({VARIABLE})\s+(?:turns|goes|flips|becomes)\s+(?:negative|red)\b", r"\1 crosses_below 0"),
    (rf"\b(?:previous|prev|last)\s+({VARIABLE})(?!\[)", r"\1[1]"),
    (rf"({VARIABLE})\s+(\d+)\s+{_CANDLES}\s+(?:ago|back)\b", r"\1[\2]"),
    (rf"(?:\b(?:close|price|candle|it)\s+)?\bclos(?:es|ed|ing)\s+(?:{ABOVE})\b", "close >"),
    (rf"(?:\b(?:close|price|candle|it)\s+)?\bclos(?:es|ed|ing)\s+(?:{BELOW})\b", "close <"),
    (rf"\b{_CROSSING}\s+({OPERAND})\s+(?:from\s+below|up(?:wards?)?)\b", r"crosses_above \1"),
    (rf"\b{_CROSSING}\s+({OPERAND})\s+(?:from\s+above|down(?:wards?)?)\b", r"crosses_below \1"),
    (rf"\b{_CROSSING}\s+{_THROUGH}\b|\b{_CROSSING}\s+up\s+over\b", "crosses_above"),
    (rf"\b{_CROSSING}\s+{_DOWN_THROUGH}\b|\b{_CROSSING}\s+down\s+under\b", "crosses_below"),
    (rf"\b{_CROSSING}\s+(?:through|over\s+and\s+above)\b", "crosses"),
    (rf"\b(?:{_MOVING})\s+(?:{ABOVE}|{_THROUGH})\b", "crosses_above"),
    (rf"\b(?:{_MOVING})\s+(?:{BELOW}|{_DOWN_THROUGH})\b", "crosses_below"),
    (rf"\b(?:touch(?:es|ed|ing)?|hits?|reach(?:es|ed)?|tags?)\b|\bbreaks?\s+(?={OPERAND})", "crosses "),
    (rf"({SIDE})\s+(?:is\s+)?not\s+(?=(?:{COMPARING}))", r"not \1 "),
    (r"\b(?:is\s+)?(?:higher|greater|bigger|more|larger)\s+than\b(?!\s+or\b)", ">"),
    (r"\b(?:is\s+)?(?:lower|less|smaller)\s+than\b(?!\s+or\b)", "<"),
    (r"\bis\s+(?=[<>=!\u2264\u2265])", ""),
    (rf"({OPERAND})\s+x\s+(?={OPERAND})", r"\1 crosses "),
)
"""Verbs, for a text whose names are ours."""


def _channel(match: re.Match[str]) -> str:
    """``close outside bbands`` -> ``close outside bbands.lower and bbands.upper``."""
    word, name = match.groups()
    return f"{word} {name}.lower and {name}.upper"


RANGES: tuple[Rule, ...] = (
    (
        rf"\b(?:between|in|from|within)\s*[(\[]?\s*({NUMBER})\s*(?:-|to|,|\.\.\.?)\s*({NUMBER})\s*[)\]]?",
        r"between \1 and \2",
    ),
    (
        r"\b(between|outside|inside|enters|exits|leaves)\s+"
        r"((?:bbands|bb|bollinger(?:[\s_]bands?)?|keltner|donchian)(?:\([^()]*\))?)"
        r"(?:[\s_]+(?:bands?|channels?))?(?!\w|\.)",
        lambda match: _channel(match) if "bol" not in match[2].lower() else f"{match[1]} bbands.lower and bbands.upper",
    ),
)


def _equal(match: re.Match[str]) -> str:
    left, right = match.groups()
    return match[0] if vocabulary.is_parameter(left) else f"{left} crosses {right}"


def _chained(match: re.Match[str]) -> str:
    """``a < b < c`` -> ``a < b and b < c``; ``b > 30 < 70`` -> ``b > 30 and b < 70``."""
    left, first, middle, second, right = match.groups()
    subject = left if re.fullmatch(NUMBER, middle) else middle
    return f"{left} {first} {middle} and {subject} {second} {right}"


def _joined(match: re.Match[str]) -> str:
    """Commas outside of parentheses, and semicolons, are ``and``."""
    parts = split(match[0], ",;")
    return " and ".join(part.strip() for part in parts) if len(parts) > 1 else match[0]


def _with_a_window(match: re.Match[str]) -> str:
    return match[0] if re.search(r"\bwithin\b", match[0], re.IGNORECASE) else f"{match[0]} within 5 bars"


LOGIC: tuple[Rule, ...] = (
    (r"\s*&+\s*", " and "),
    (r"\s*\|+\s*", " or "),
    (r"(?:!(?!=)|~)\s*(?=[a-z(])", "not "),
    (rf"({BEGIN})(?:both\s+)?({VARIABLE})\s+(and|or)\s+({VARIABLE})(\s*{COMPARING}\s*{OPERAND})", r"\1\2\5 \3 \4\5"),
    (rf"({BEGIN})({SIDE})(\s*{COMPARING}\s*)({OPERAND})\s+(and|or)\s+({OPERAND}){END}", r"\1\2\3\4 \5 \2\3\6"),
    (rf"({OPERAND})\s*(?:!=|<>)\s*({SIDE})", r"\1 outside \2 and \2"),
    (
        rf"({OPERAND})\s*(?:(?<![<>=])={{1,3}}(?![=<>])|\b(?:is\s+)?equals?(?:\s+to)?\b|\s(?:is|at)(?=\s+{NUMBER}))\s*"
        rf"({OPERAND})",
        _equal,
    ),
    (rf"({OPERAND})\s*([<>]=?)\s*({OPERAND})\s*([<>]=?)\s*({OPERAND})", _chained),
    *((rf"({BEGIN})({SIDE})(\s*{COMPARING}\s*{OPERAND})\s*\b(and|or)\s*(?={COMPARING})", r"\1\2\3 \4 \2 "),) * 3,
    (r"^.*$", _joined),
    (r"^.*\)?\s+then\s+.*$", _with_a_window),
)
"""How comparisons are joined, once they are ours."""
