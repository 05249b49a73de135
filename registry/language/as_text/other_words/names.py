"""What people call indicators and their outputs: ``RSI 14``, ``50-day moving average``, ``BBL_20_2.0``, ``%K``."""

import re
from functools import cache

from indicators.catalogue import catalogue
from registry.language import vocabulary
from registry.language.as_text.other_words.patterns import COMPARING, VARIABLE, Rule, indicator_names

_OF_PANDAS_TA = {
    "bbl": ("bbands", "lower"), "bbm": ("bbands", "middle"), "bbu": ("bbands", "upper"), "bbp": ("bbands", "percent_b"),
    "bbb": ("bbands", "bandwidth"), "macd": ("macd", "line"), "macdh": ("macd", "histogram"),
    "macds": ("macd", "signal"), "stochk": ("stoch", "k"), "stochd": ("stoch", "d"), "stochrsik": ("stochrsi", "k"),
    "stochrsid": ("stochrsi", "d"), "dmp": ("adx", "plus_di"), "dmn": ("adx", "minus_di"), "atrr": ("atr", ""),
    "supert": ("supertrend", "value"), "willr": ("williams_r", ""),
}  # fmt: skip
"""pandas-ta's beginning of a column's name -> our indicator and its output."""

_LONG_UNITS = {"day": "1d", "week": "1w", "hour": "1h"}

_OUTPUTS: tuple[Rule, ...] = (
    (r"(?<![\w.])(upper|lower|middle)\s+(?:bb|bbands|bollinger(?:\s+band)?)s?(?:\s+band)?s?(?!\w)", r"bbands.\1"),
    (r"(?<![\w.])(?:bb|bbands|bollinger(?:[\s_]+bands?)?)\s+(upper|lower|middle)(?:\s+band)?(?!\w)", r"bbands.\1"),
    (r"(?<![\w.])(upper|lower|middle)[\s_]*band(?!\w)", r"bbands.\1"),
    (r"(?<![\w.])(upper|lower|middle)\s+(keltner|donchian)(?:[\s_]+(?:channel|band))?s?(?!\w)", r"\2.\1"),
    (r"(?<![\w.])(?:bb|bbands|bollinger(?:[\s_]+bands?)?)\s+(?=%b(?!\w))", ""),
    (r"(?<!\w)%b(?!\w)|(?<![\w.])percent_b\b", "bbands.percent_b"),
    (r"(?<![\w.])williams\s+%\s?r(?!\w)", "williams_r"),
    (r"(?<![\w.])macd\s*_?(signal|hist(?:ogram)?|line)(?:\s+line)?(?!\w)", r"macd.\1"),
    (r"(?<![\w.])(?:plus_di|di_plus)\b|(?<![\w.)])\+di(?!\w)|(?<![\w.])di\+", "adx.plus_di"),
    (r"(?<![\w.])(?:minus_di|di_minus)\b|(?<![\w.)])-di(?!\w)|(?<![\w.])di-", "adx.minus_di"),
    (r"(?<![\w.])(?:tenkan(?:[\s_-]?sen)?|conversion\s+line)\b", "ichimoku.conversion"),
    (r"(?<![\w.])(?:kijun(?:[\s_-]?sen)?|base\s+line)\b", "ichimoku.base"),
    # What a chart shows at a candle is what was computed 26 candles before.
    (r"(?<![\w.])(?:senkou|leading)(?:[\s_]span)?[\s_]([ab])\b", r"ichimoku.span_\1[26]"),
    (r"(?:\b(?:above|over)|>)\s+(?:ichimoku\s+)?cloud\b", "> max(ichimoku.span_a[26], ichimoku.span_b[26])"),
    (r"(?:\b(?:below|under)|<)\s+(?:ichimoku\s+)?cloud\b", "< min(ichimoku.span_a[26], ichimoku.span_b[26])"),
    (r"(?<![\w.])(stoch(?:rsi)?(?:\([^()]*\))?)[\s_]+%?([kd])(?:\s+line)?(?![\w(])", r"\1.\2"),
    (r"(?<![\w.])%([kd])(?:\s+line)?(?!\w)", r"stoch.\1"),
)  # fmt: skip


@cache
def names() -> tuple[Rule, ...]:
    """The rules, for a text whose calls are ours and whose numbers are plain."""
    known = indicator_names()
    in_words = [alias for record in catalogue().values() for alias in record.aliases if "_" in alias]
    spoken = "|".join(alias.replace("_", r"[\s-]+") for alias in sorted(in_words, key=len, reverse=True))
    numbers = r"\d+(?:\.\d+)?"
    no_count = r"(?![\w.%])(?!\s*(?:(?:bar|candle)s?|percent|pct)\b)"
    average = "ma|sma|ema|(?:simple_|exponential_)?moving_average"
    return (
        (rf"(?<![\w.])(?:{spoken})(?!\w)", lambda match: re.sub(r"[\s-]+", "_", match[0])),
        (rf"(?<![\w.])({'|'.join(_OF_PANDAS_TA)})((?:_{numbers})+)(?![\w.])", _of_pandas_ta),
        # Parameters in other brackets, or without any.
        (rf"(?<![\w.])({known})\s*(?:\{{\s*({numbers}(?:\s*,\s*{numbers})*)\s*\}}|[:.](\d+)\b)", _in_parentheses),
        (rf"(?<![\w.])({known})\s*\[\s*(\d+(?:\s*,\s*{numbers})+)\s*\]", r"\1(\2)"),
        (rf"(?<![\w.])({known})\(\s*({numbers}(?:\s+{numbers})+)\s*\)", _with_commas),
        (rf"(?<![\w.])({known})((?:-{numbers})+)(?![\w.%(])", _with_hyphens),
        (
            rf"(?<![\w.])({known})\s+(\d+(?:\s*,\s*{numbers})*){no_count}",
            r"\1(\2)",
        ),
        (rf"(?<![\w.])(\d+)[\s-]+(day|week|hour)s?[\s-]+({known})(?![\w.(])", _on_a_longer_timeframe),
        (rf"(?<![\w.])(\d+)[\s-]*(?:(?:period|bar|candle)s?[\s-]+)?({known})(?![\w.(])", r"\2(\1)"),
        (rf"(?<![\w.])({known})\((\d+)\)\s*/\s*(\d+)\s+cross(?:over|es|ing)?\b", r"\1(\2) crosses \1(\3)"),
        (rf"(?<![\w.])({known})(\([^()]*\))?[\s_]+({_all_outputs()})(?:\s+(?:line|band))?(?![\w(])", _output),
        *_OUTPUTS,
        (r"^.*$", _other_outputs_of_one),
        (rf"(?<![\w.])(open|high|low|close|volume|vol)_({known}|mean)(?:_?(\d+))?(?![\w.(])", _of_a_column),
        # The average of an indicator itself.
        (
            rf"(?<![\w.])({known})(\([^()]*\))?\s+({average})(?![\w(])",
            _average_of,
        ),
        (rf"({VARIABLE})(\s*{COMPARING}\s*)its\s+(?:own\s+)?({known})(\(\d+\))?", _own_average),
        (r"\b(?:average|avg|mean)[\s_]+volume\b|\bvolume[\s_]+(?:average|avg|ma|sma)\b(?!\()", "sma(20, volume)"),
        (r"(\bvolume\b.*?)\b(?:its\s+)?average\b", r"\1sma(20, volume)"),
        (r"\bits\s+(?=[\w%])", ""),
    )


@cache
def _all_outputs() -> str:
    return "|".join({output.name for record in catalogue().values() for output in record.outputs} - {"value"})


def _output(match: re.Match[str]) -> str:
    """``aroon up`` -> ``aroon.up``, if the indicator has such an output."""
    name, parameters, output = match.groups()
    record = vocabulary.known_indicator(name)
    has = record is not None and output.lower() in [one.name for one in record.outputs]
    return f"{name}{parameters or ''}.{output}" if has else match[0]


def _average_of(match: re.Match[str]) -> str:
    """``rsi sma`` -> ``sma(14, rsi)``."""
    name, parameters, average = match.groups()
    return _average(f"{name}{parameters or ''}", average, None)


def _of_a_column(match: re.Match[str]) -> str:
    """``volume_mean_12`` -> ``sma(12, volume)``."""
    column, name, period = match.groups()
    return f"{'sma' if name.lower() == 'mean' else name}({period or '20'}, {column})"


def _own_average(match: re.Match[str]) -> str:
    """``rsi crosses its sma`` -> ``rsi crosses sma(14, rsi)``."""
    variable, operator, average, period = match.groups()
    return f"{variable}{operator}{_average(variable, average, period)}"


def _average(of: str, average: str, period: str | None) -> str:
    count = _ITS_CANDLES.get(of.lower(), "14") if period is None else period.strip("()")
    return f"{average}({count}, {of})"


_ITS_CANDLES = {"volume": "20", "close": "20", "price": "20"}
"""How many candles the average of something commonly has, where it is not that of an oscillator."""


def _of_pandas_ta(match: re.Match[str]) -> str:
    name, output = _OF_PANDAS_TA[match[1].lower()]
    numbers = match[2].strip("_").split("_")
    most = len(catalogue()[name].parameters)
    return f"{name}({', '.join(numbers[:most])})" + (f".{output}" if output else "")


def _in_parentheses(match: re.Match[str]) -> str:
    return f"{match[1]}({match[2] or match[3]})"


def _with_commas(match: re.Match[str]) -> str:
    return f"{match[1]}({', '.join(match[2].split())})"


def _with_hyphens(match: re.Match[str]) -> str:
    return f"{match[1]}({', '.join(match[2].strip('-').split('-'))})"


def _on_a_longer_timeframe(match: re.Match[str]) -> str:
    period, unit, name = match.groups()
    return f"{name}({period})@{_LONG_UNITS[unit.lower()]}"


def _other_outputs_of_one(match: re.Match[str]) -> str:
    """``macd crosses signal`` -> ``macd.line crosses macd.signal``; the parameters of one are those of all."""
    text = match[0]
    written = re.search(r"\b(macd|ppo)(\([^()]*\))?", text, re.IGNORECASE)
    name = "macd" if written is None else written[0]
    for pattern, output in ((r"signal(?:[\s_]+line)?", "signal"), (r"hist(?:ogram)?", "histogram")):
        text = re.sub(rf"(?<![\w.]){pattern}(?![\w(])", f"{name}.{output}", text, flags=re.IGNORECASE)
    stochastic = re.search(r"\b(stoch(?:rsi)?)(\([^()]*\))?\.[kd]\b", text, re.IGNORECASE)
    if stochastic is not None:
        call = f"{stochastic[1]}{stochastic[2] or ''}"
        text = re.sub(r"(?<![\w.%])([kd])(?![\w(.])", rf"{call}.\1", text, flags=re.IGNORECASE)
    return re.sub(r"(?<![\w.])((?:macd|ppo)(?:\([^()]*\))?)(?![\w.(])", r"\1.line", text, flags=re.IGNORECASE)


def levels(name: str) -> tuple[str, str] | None:
    """Where an oscillator is commonly called oversold and overbought."""
    record = vocabulary.known_indicator(name)
    return None if record is None else _LEVELS.get(record.name)


_LEVELS = {
    "rsi": ("30", "70"), "mfi": ("20", "80"), "stoch": ("20", "80"), "stochrsi": ("20", "80"), "cci": ("-100", "100"),
    "williams_r": ("-80", "-20"), "ultosc": ("30", "70"), "cmo": ("-50", "50"),
}  # fmt: skip
