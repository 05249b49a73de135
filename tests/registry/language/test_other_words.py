"""The kinds of words that people bring from other platforms, each in many spellings: what is offered is what is meant.

A rule that sees only a part of a side would offer another condition, so sides with arithmetic are among them.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.catalogue import NAMES, catalogue
from registry import Condition, ConditionError
from registry.language.as_text.other_words.translation import in_our_words
from tests.registry.language.written import Written, check

OSCILLATORS = ("rsi", "stochrsi.k", "mfi", "stoch.d", "adx", "williams_r(9)")
LEVELS = ("close", "sma(20)", "ema(9, hl2)", "vwap", "bbands.upper", "close / open", "(high + low) / 2", "high - low")
SIDES = (*OSCILLATORS, *LEVELS, "volume", "macd.histogram", "atr(7)")
PERCENT = st.integers(1, 40)
PERIOD = st.integers(2, 200)

sides = st.sampled_from(SIDES)
levels = st.sampled_from(LEVELS)
oscillators = st.sampled_from(OSCILLATORS)
numbers = st.integers(1, 90)


def offered(text: str, meant: str, *, header: str = "BTCUSDT 1h: ") -> None:
    assert check(Written(text, (meant,)), header=header) is not None, f"{text!r} was read"


def share(percent: float) -> str:
    return f"{percent / 100:.12g}"


@settings(max_examples=30)
@given(levels, st.sampled_from(("sma(200)", "open", "vwap", "bbands.lower")), PERCENT)
def test_a_percentage_of_something_else(side: str, other: str, percent: int) -> None:
    above, below = f"{1 + percent / 100:.12g}", f"{1 - percent / 100:.12g}"
    offered(f"{side} is {percent}% above {other}", f"{side} > {above} * {other}")
    offered(f"{side} {percent} percent below {other}", f"{side} < {below} * {other}")
    offered(f"{side} > {other} by {percent}%", f"{side} > {above} * {other}")
    offered(f"{side} > {other} + {percent}%", f"{side} > {other} * {above}")
    offered(f"{side} < {other} - {percent}%", f"{side} < {other} * {below}")
    offered(f"{side} > {percent}% of {other}", f"{side} > {share(percent)} * {other}")


@settings(max_examples=20)
@given(PERCENT)
def test_a_percentage_of_what_it_is(percent: int) -> None:
    for oscillator in ("rsi", "mfi", "stoch.k", "roc", "ppo.line", "natr", "adx.plus_di"):
        offered(f"{oscillator} < {percent}%", f"{oscillator} < {percent}")
    for fraction in ("bbands.percent_b", "bbands(20, 2).bandwidth"):
        offered(f"{fraction} < {percent}%", f"{fraction} < {share(percent)}")
    for of_the_price in ("atr(7)", "macd.histogram", "stdev"):
        offered(f"{of_the_price} > {percent}%", f"{of_the_price} > {share(percent)} * close")
    offered(f"atr / close > {percent}%", f"atr / close > {share(percent)}")
    offered(f"close within {percent}% of sma(200)", f"abs(close - sma(200)) <= {share(percent)} * sma(200)")


@pytest.mark.parametrize("side", ["close - open", "obv", "ad", "close - open * 2", "close + volume / 2"])
def test_of_what_a_percentage_is_is_not_guessed(side: str) -> None:
    with pytest.raises(ConditionError, match=r"write a share of something, such as 0\.05 \* close"):
        Condition.parse(f"BTCUSDT 1h: {side} > 3%")


@settings(max_examples=20)
@given(st.sampled_from(("close", "volume", "sma(20)", "close@ETHUSDT")), PERCENT, st.integers(1, 20))
def test_moves_within_a_time(side: str, percent: int, hours: int) -> None:
    for verb in ("up", "gains", "jumps", "pumps", "rises by", "is up"):
        offered(
            f"{side} {verb} {percent}% in the last {hours} hours", f"{side} rises_by {percent}% within {hours} bars"
        )
    for verb in ("drops", "falls by", "dumps", "is down", "loses"):
        offered(f"{side} {verb} {percent}% in {hours}h", f"{side} falls_by {percent}% within {hours} bars")
    four_hours = f"{side} falls_by {percent}% within 3 bars"
    offered(f"{side} drops {percent}% in 12 hours", four_hours, header="BTCUSDT 4h: ")
    offered(f"{side} drops {percent}% within 3 candles", four_hours)


@settings(max_examples=20)
@given(sides, numbers, st.integers(1, 30))
def test_spans_of_time(side: str, number: int, hours: int) -> None:
    offered(f"{side} < {number} for {hours} hours", f"{side} < {number} for {hours} bars")
    offered(f"{side} < {number} for at least {hours} candles", f"{side} < {number} for {hours} bars")
    offered(f"{side} < {number} in the last {hours} bars", f"{side} < {number} within {hours} bars")
    offered(f"{side} < {number} between 9:30 and 16:00", f"{side} < {number} and during(09:30-16:00)")
    offered(f"{side} < {number} on Mondays", f"{side} < {number} and during(mon)")
    with pytest.raises(ConditionError) as caught:
        Condition.parse(f"BTCUSDT 4h: {side} < {number} for 3 hours")
    assert "; write BTC" not in str(caught.value)


@settings(max_examples=30)
@given(sides, numbers, st.sampled_from(("4h", "1d", "2 hours")))
def test_a_timeframe_is_that_of_the_whole_side(side: str, number: int, timeframe: str) -> None:
    names = sorted(NAMES, key=len, reverse=True)
    place = timeframe.replace(" ", "")
    variable = (
        rf"(?<![\w.(])(?:{'|'.join([*names, 'open', 'high', 'low', 'close', 'volume'])})(?:\([^()]*\))?(?:\.\w+)?"
    )
    there = re.sub(rf"(?<!\d, ){variable}", lambda match: f"{match[0]}@{place}", side.replace("(high", "( high"))
    for word in ("on", "on the", "at"):
        offered(f"{side} {word} {timeframe} > {number}", f"{there} > {number}")
        offered(f"{side} > {number} {word} {timeframe} chart", f"{there} > {number}")
        offered(f"{side} > {number} {word} {timeframe} and rsi < 30", f"{there} > {number} and rsi < 30")


@settings(max_examples=20)
@given(sides, numbers, numbers)
def test_the_subject_may_be_left_out(side: str, first: int, second: int) -> None:
    offered(f"{side} < {first} or > {second}", f"{side} < {first} or {side} > {second}")
    offered(f"{side} below {first} or above {second}", f"{side} < {first} or {side} > {second}")
    offered(
        f"close > open and {side} > {first} and < {second}", f"close > open and {side} > {first} and {side} < {second}"
    )
    offered(f"close != {side}", f"close outside {side} and {side}")


@settings(max_examples=20)
@given(oscillators, st.integers(1, 40), st.integers(50, 90))
def test_ranges(side: str, low: int, high: int) -> None:
    for text in (f"between {low}-{high}", f"between ({low}, {high})", f"in {low}..{high}", f"from {low} to {high}"):
        offered(f"{side} {text}", f"{side} between {low} and {high}")
    offered("close outside bollinger bands", "close outside bbands.lower and bbands.upper")
    offered("close enters keltner(20, 2, 10)", "close enters keltner(20, 2, 10).lower and keltner(20, 2, 10).upper")


@settings(max_examples=20)
@given(st.sampled_from(("sma", "ema", "rsi", "hma", "atr")), PERIOD, st.integers(1, 900))
def test_parameters_and_periods_in_other_places(name: str, period: int, number: int) -> None:
    for text in (f"{name}{{{period}}}", f"{name}:{period}", f"{name}.{period}", f"{period} {name}", f"{period}{name}",
                 f"{period}-period {name}"):  # fmt: skip
        offered(f"{text} > {number}", f"{name}({period}) > {number}")
    offered(f"{period} day {name} > {number}", f"{name}({period})@1d > {number}")
    offered(f"{period}-week {name} > {number}", f"{name}({period})@1w > {number}")
    offered(f"{name}_4h > {number}", f"{name}@4h > {number}")


@settings(max_examples=20)
@given(st.integers(1, 999), st.integers(0, 999), st.integers(0, 99))
def test_numbers_with_other_signs(thousands: int, rest: int, cents: int) -> None:
    whole = f"{thousands}{rest:03}"
    for text in (f"{thousands},{rest:03}", f"{thousands} {rest:03}", f"{thousands}'{rest:03}", f"{thousands}_{rest:03}",
                 f"${whole}", f"{whole} USDT"):  # fmt: skip
        offered(f"close > {text}", f"close > {whole}")
    offered(f"close > {thousands}.{rest:03},{cents:02}", f"close > {whole}.{cents:02}")
    offered(f"close > 0,{cents:02}", f"close > 0.{cents:02}")
    offered(f"volume > {thousands}M", f"volume > {thousands}000000")
    offered(f"close between {thousands}k and {thousands + 1}k", f"close between {thousands}000 and {thousands + 1}000")


PINE = {
    "ta.rsi(close, 14) < 30": "rsi < 30",
    "ta.highest(20) < close": "highest(20, high) < close",
    "ta.lowest(20)[1] > close": "lowest(20, low)[1] > close",
    "ta.highest(close, 20)[1] < close": "highest(20, close)[1] < close",
    "ta.supertrend(3, 10) < close": "supertrend(10, 3) < close",
    "ta.stoch(close, high, low, 14) < 20": "stoch(14, 1) < 20",
    "ta.mfi(hlc3, 14) > 80": "mfi(14) > 80",
    "ta.rising(rsi, 3)": "rsi rising 3 bars",
    "ta.change(close) > 0": "close - close[1] > 0",
    "nz(ta.rsi(close, 14)) < 30": "rsi < 30",
    "ta.cross(ema(12), ema(26))": "ema(12) crosses ema(26)",
    'request.security("ETHUSDT", "240", ta.rsi(close, 14)) < 30': "rsi(14)@ETHUSDT@4h < 30",
    "request.security(syminfo.tickerid, 'D', close) > 5": "close@1d > 5",
}
METATRADER = {
    "iRSI(NULL, 0, 14, PRICE_CLOSE, 0) < 30": "rsi(14) < 30",
    "iRSI(Symbol(), PERIOD_H4, 9, PRICE_TYPICAL, 1) < 30": "rsi(9, hlc3)[1]@4h < 30",
    "iMA(NULL, 0, 50, 0, MODE_EMA, PRICE_CLOSE, 0) > Close[0]": "ema(50) > close",
    "iMA(NULL, 240, 50, 0, MODE_LWMA, PRICE_MEDIAN, 0) > 5": "wma(50, hl2)@4h > 5",
    "iClose(NULL, 0, 1) > iOpen(NULL, 0, 1)": "close[1] > open[1]",
    "iWPR(_Symbol, PERIOD_CURRENT, 14) < -80": "williams_r(14) < -80",
    "iATR(ETHUSDT, PERIOD_D1, 14, 0) > 5": "atr(14)@ETHUSDT@1d > 5",
}
FREQTRADE = {
    "(dataframe['rsi'] < 30) & (dataframe['volume'] > 0)": "rsi < 30 and volume > 0",
    "qtpylib.crossed_above(dataframe['rsi'], 30)": "rsi crosses_above 30",
    "dataframe['close'].shift(1) < dataframe['open']": "close[1] < open",
    "df['rsi'].iloc[-1] < 30": "rsi < 30",
    "df['rsi'].iloc[-2] < 30": "rsi[1] < 30",
    "df.close > df.sma_200": "close > sma(200)",
    "ta.RSI(dataframe, timeperiod=9) < 30": "rsi(9) < 30",
    "talib.MAX(close, 20) < close": "highest(20, close) < close",
    "dataframe['rsi_4h'] < 30": "rsi@4h < 30",
    "close < BBL_20_2.0": "close < bbands(20, 2).lower",
    "MACDh_12_26_9 > 0": "macd(12, 26, 9).histogram > 0",
    "STOCHk_14_3_3 < 20": "stoch(14, 3, 3).k < 20",
}
THREE_COMMAS = {
    "ULT-7-14-28 < 30": "ultosc(7, 14, 28) < 30",
    "MACD-12-26-9 > 0": "macd(12, 26, 9).line > 0",
    "bb %b < 0": "bbands.percent_b < 0",
}
SPEECH = {
    "rsi is oversold": "rsi < 30",
    "cci overbought": "cci > 100",
    "rsi leaves oversold": "rsi crosses_above 30",
    "stoch.k enters overbought": "stoch.k crosses_above 80",
    "golden cross": "sma(50) crosses_above sma(200)",
    "50-day moving average crosses above 200-day moving average": "sma(50)@1d crosses_above sma(200)@1d",
    "price is above the 200 ema": "close > ema(200)",
    "close crosses above the upper bollinger band": "close crosses_above bbands.upper",
    "3 consecutive green candles": "close > open for 3 bars",
    "inside bar": "high < high[1] and low > low[1]",
    "new 20 bar high": "high > highest(20, high)[1]",
    "close breaks out above 20 bar high": "close crosses_above highest(20, high)[1]",
    "macd bullish crossover": "macd.line crosses_above macd.signal",
    "histogram turns green": "macd.histogram crosses_above 0",
    "macd crosses the zero line": "macd.line crosses 0",
    "stoch k crosses above d": "stoch.k crosses_above stoch.d",
    "%k crosses above %d": "stoch.k crosses_above stoch.d",
    "+DI > -DI": "adx.plus_di > adx.minus_di",
    "tenkan crosses kijun": "ichimoku.conversion crosses ichimoku.base",
    "close above cloud": "close > max(ichimoku.span_a[26], ichimoku.span_b[26])",
    "supertrend is green": "close > supertrend",
    "volume > 2x average": "volume > 2 * sma(20, volume)",
    "volume spike": "volume > 2 * sma(20, volume)",
    "rsi crosses its ema(9)": "rsi crosses ema(9, rsi)",
    "rsi crosses its moving average": "rsi crosses sma(14, rsi)",
    "rsi < 30 but close > open": "rsi < 30 and close > open",
    "if rsi < 30 then buy": "rsi < 30",
    "buy: rsi < 30": "rsi < 30",
    "rsi not above 30": "not rsi > 30",
    "rsi < 30 followed by rsi > 50 within 5 bars": "rsi < 30 then rsi > 50 within 5 bars",
    "EMA 9/21 cross": "ema(9) crosses ema(21)",
    "ETHUSDT rsi < 30": "rsi@ETHUSDT < 30",
    "rsi of ETHUSDT < 30": "rsi@ETHUSDT < 30",
    "close > yesterday's high": "close > high@1d",
    "daily rsi < 30": "rsi@1d < 30",
    "rsi \uff1c 30": "rsi < 30",
    "BTCUSDT > 60000": "close > 60000",
    "rsi and mfi < 30": "rsi < 30 and mfi < 30",
    "rsi(14) & mfi(14) < 30": "rsi < 30 and mfi < 30",
    "close > open or high": "close > open or close > high",
    "rsi rising above 30": "rsi crosses_above 30",
    "close < low of last 20 candles": "close < lowest(20, low)[1]",
    "close > high in the last 20 candles": "close > highest(20, high)[1]",
    "close > 20 day high": "close > highest(20, high)@1d",
    "volume_mean_12 < volume": "sma(12, volume) < volume",
    "close gains 5% over 3 bars": "close rises_by 5% within 3 bars",
    "rsi &lt; 30": "rsi < 30",
}


@pytest.mark.parametrize(("text", "meant"), [*(PINE | METATRADER | FREQTRADE | THREE_COMMAS | SPEECH).items()])
def test_what_platforms_and_people_say(text: str, meant: str) -> None:
    offered(text, meant)


def test_two_meanings_are_both_offered() -> None:
    for verb, trend in (("rises", "rising"), ("falls", "falling")):
        assert check(Written(f"close {verb} 5", (f"close {trend} 5 bars", f"close {verb}_by 5")))
    hyphens = check(Written("EMA-12 > EMA-26", ("ema(12) > ema(26)", "ema - 12 > ema - 26")))
    assert hyphens is not None
    with pytest.raises(ConditionError, match=r"bbands has several outputs; say which one: bbands\.upper"):
        Condition.parse("BTCUSDT 1h: close < BB-20-2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ta.cci(close, 20) > 100", "cci is always computed from high low close, so it takes no source"),
        ("ta.bb(close, 20, 2) > close", "bbands has several outputs; say which one"),
        ("close > daily open", "unexpected 'open'"),
        ("close[4h] > 5", "unexpected 'h'"),
    ],
)
def test_what_cannot_be_said_is_not_offered(text: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        Condition.parse(f"BTCUSDT 1h: {text}")
    assert message in str(caught.value)
    assert "write BTCUSDT" not in str(caught.value)


def test_every_output_may_follow_the_name_of_its_indicator() -> None:
    for name, record in catalogue().items():
        for output in (output.name for output in record.outputs if len(record.outputs) > 1 and output.name != "value"):
            text = in_our_words(f"close > {name} {output}")
            assert text == f"close > {name}.{output}"
            assert Condition.parse(f"BTCUSDT 1h: {text}")
