"""Calls of other platforms: Pine Script's, TA-Lib's and pandas-ta's, and MetaTrader's.

    ta.crossover(ta.ema(close, 12), 5)          ->  ema(12, close) crosses_above 5
    ta.supertrend(3, 10)                        ->  supertrend(10, 3)
    iMA(NULL, 0, 50, 0, MODE_EMA, PRICE_CLOSE)  ->  ema(50, close)

The same name may take other parameters elsewhere, or begin from another source: those are put in our order.
"""

import re

from common.timeframes import find_timeframe
from indicators.catalogue import PRICES
from registry.language import vocabulary
from registry.language.as_text.other_words.patterns import NUMBER, TIMEFRAME, VARIABLE, WORD, closed_up, split

_ANY_CASE = re.IGNORECASE
_FRAMES = ("df", "dataframe", "data")
_NAMED = rf"{WORD}\s*=.*"


def calls_in_our_words(text: str) -> str:
    """``text`` with every call as we write it, those inside others first."""
    begin = re.compile(rf"(?<![\w.])((?:ta|talib)\.)?({WORD})\s*\(", _ANY_CASE)
    done = 0
    while (call := begin.search(text, done)) is not None:
        depth, place = 1, call.end()
        while place < len(text) and depth:
            depth += (text[place] == "(") - (text[place] == ")")
            place += 1
        if depth:
            return text
        inside = calls_in_our_words(text[call.end() : place - 1])
        arguments = [part.strip() for part in split(inside, ",")] if inside.strip() else []
        written = _call(call[2], arguments, is_prefixed=call[1] is not None)
        if written is None:
            written = f"{call[2]}({inside})"
        text = text[: call.start()] + written + text[place:]
        done = call.start() + len(written)
    return text


def _call(name: str, arguments: list[str], *, is_prefixed: bool) -> str | None:  # noqa: PLR0911 - one return for each kind of call
    """One call as we write it; ``None`` for a call that is none of another platform's."""
    folded = vocabulary.fold(name)
    operator = vocabulary.COMPARISONS.get(folded)
    if operator is not None and len(arguments) == 2:
        return f"{arguments[0]} {operator} {arguments[1]}"
    match folded, arguments:
        case (("rising" | "falling"), [side, bars]):
            return f"{side} {folded} {bars} bars"
        case "nz", [side, *_]:
            return side
        case "change", [side, *steps] if re.fullmatch(VARIABLE, side, _ANY_CASE) and "[" not in side:
            return f"({side} - {side}[{steps[0] if steps else 1}])"
        case "security", [symbol, timeframe, side, *_]:
            return _elsewhere(symbol, timeframe, side)
        case (("highest" | "lowest"), [period]) if is_prefixed:
            # Pine's look at highs and lows unless they are told otherwise.
            return f"{folded}({period}, {'high' if folded == 'highest' else 'low'})"
        case (("max" | "min"), _) if is_prefixed and any(re.fullmatch(rf"{NUMBER}|{_NAMED}", one) for one in arguments):
            return _reordered("highest" if folded == "max" else "lowest", arguments, is_prefixed=True)
        case "supertrend", [factor, period] if is_prefixed:
            return f"supertrend({period}, {factor})"
        case "stoch", [_, _, _, period] if is_prefixed and re.fullmatch(NUMBER, period):
            # Pine's is not smoothed.
            return f"stoch({period}, 1)"
    if folded.startswith("i") and len(arguments) > 2:
        metatraders = _metatrader(folded[1:].replace("_", ""), arguments)
        if metatraders is not None:
            return metatraders
    return _reordered(name, arguments, is_prefixed=is_prefixed)


def _reordered(name: str, arguments: list[str], *, is_prefixed: bool) -> str | None:
    """``rsi(close, 14)`` with its numbers first, without a frame or columns that it reads anyway.

    Pine's ``cci(close, 14)`` reads the close, and ours never does: with its library's name, it stays what it is.
    """
    record = vocabulary.known_indicator(name)
    if record is None:
        return None
    timeframes = [argument for argument in arguments if re.fullmatch(TIMEFRAME, argument, _ANY_CASE)]
    symbols = [argument for argument in arguments if re.fullmatch(r"[A-Z0-9]{2,}(?:USDT?|USDC|EUR)(?:\.P)?", argument)]
    numbers = [argument for argument in arguments if re.fullmatch(rf"{NUMBER}|{_NAMED}", argument, _ANY_CASE)]
    others = (*timeframes, *symbols, *numbers, *_FRAMES)
    sources = [argument for argument in arguments if argument not in others]
    columns = {source.lower() for source in sources}
    if (
        not record.has_source
        and columns <= set(PRICES)
        and (not is_prefixed or len(columns) > 1 or columns <= {"hlc3"})
    ):
        sources = []
    written = f"{name}({', '.join([*numbers, *sources])})" if numbers or sources else name
    return "".join([written, *(f"@{closed_up(place)}" for place in (*symbols, *timeframes))])


def _elsewhere(symbol: str, timeframe: str, side: str) -> str | None:
    """``request.security("ETHUSDT", "240", close)`` -> ``close@ETHUSDT@4h``."""
    if re.fullmatch(VARIABLE, side, _ANY_CASE) is None:
        return None
    instrument = symbol.strip("'\"")
    place = "" if instrument.lower() in ("syminfo.tickerid", "syminfo.ticker", "") else f"@{instrument}"
    period = timeframe.strip("'\"")
    return side + place + ("" if period in ("", "timeframe.period") else f"@{find_timeframe(period) or period}")


_METATRADER = {
    "rsi": ("rsi", 1), "cci": ("cci", 1), "mfi": ("mfi", 1), "wpr": ("williams_r", 1), "atr": ("atr", 1),
    "adx": ("adx", 1),
}  # fmt: skip
"""MetaTrader's name without its ``i`` -> our name, and how many numbers follow the symbol and the timeframe."""
_METHODS = {
    "mode_sma": "sma", "0": "sma", "mode_ema": "ema", "1": "ema", "mode_smma": "rma", "2": "rma", "mode_lwma": "wma",
    "3": "wma",
}  # fmt: skip
_APPLIED = {
    "price_close": "close", "price_open": "open", "price_high": "high", "price_low": "low", "price_median": "hl2",
    "price_typical": "hlc3",
}  # fmt: skip


def _metatrader(name: str, arguments: list[str]) -> str | None:
    """``iRSI(NULL, PERIOD_H4, 14, PRICE_CLOSE, 1)`` -> ``rsi(14, close)[1]@4h``."""
    symbol, timeframe, *others = arguments
    steps = others[-1] if len(others) > 1 and re.fullmatch(r"\d+", others[-1]) else "0"
    if name in ("open", "high", "low", "close", "volume"):
        written, steps = name, others[0]
    elif name == "ma" and len(others) > 3:
        period, shift, method, applied, *_ = others
        average = _METHODS.get(method.lower())
        if average is None or shift != "0":
            return None
        written = f"{average}({period}{_source(applied)})"
    elif (meant := _METATRADER.get(name)) is not None:
        ours, count = meant
        sources = [_source(word) for word in others if word.lower() in _APPLIED] if name == "rsi" else []
        written = f"{ours}({', '.join(others[:count])}{''.join(sources)})"
    else:
        return None
    back = "" if steps == "0" or not steps.isdecimal() else f"[{steps}]"
    return f"{written}{back}{_metatraders_place(symbol, timeframe)}"


def _source(applied: str) -> str:
    price = _APPLIED.get(applied.lower())
    return f", {price}" if price is not None else ""


def _metatraders_place(symbol: str, timeframe: str) -> str:
    instrument = symbol.strip("'\"")
    is_own = re.fullmatch(r"null|_?symbol(?:\s*\(\s*\))?|", instrument, _ANY_CASE) is not None
    period = re.sub("^period_", "", timeframe, flags=_ANY_CASE)
    is_own_period = re.fullmatch("0|current", period, _ANY_CASE) is not None
    place = "" if is_own else f"@{instrument}"
    return place if is_own_period else f"{place}@{find_timeframe(period) or period}"
