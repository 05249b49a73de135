"""What a trader is told about a condition that cannot be read."""

import json
from collections.abc import Mapping

import pytest

from registry import Condition, ConditionError, InstrumentError, TimeframeError


def refused(source: str | Mapping[str, object]) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        Condition.parse(source)
    return caught.value


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        (
            "rsii(14) < 30",
            "rsii",
            "unknown indicator or price 'rsii' (did you mean rsi, trix or stochrsi?); the prices are open",
        ),
        ("clse < 30", "clse", "unknown indicator or price 'clse' (did you mean close or"),
        ("RSI(0) < 30", "0)", "rsi: period must be between 2 and 1000, got 0"),
        ("rsi(1001) < 30", "1001", "rsi: period must be between 2 and 1000, got 1001"),
        ("rsi(14.5) < 30", "14.5", "rsi: period must be a whole number, got 14.5"),
        ("rsi(-14) < 30", "-14", "got -14"),
        ("rsi(1e999) < 30", "1e999", "got inf"),
        ("rsi(perod=14) < 30", "14", "rsi has no parameter 'perod' (did you mean period?); its parameters: period"),
        ("rsi(14, 20) < 30", "20", "rsi takes no number here; its parameters: period"),
        ("rsi(14, period=15) < 30", "period", "rsi: period is given twice"),
        ("rsi(hl2, close) < 30", "close", "rsi: source is given twice"),
        ("rsi(period=hl2) < 30", "period", "rsi: period must be a number"),
        ("rsi(source=14) < 30", "14", "rsi cannot be computed from a number, which never changes"),
        (
            "rsi(14, hl3) < 30",
            "hl3",
            "unknown indicator or price 'hl3' (did you mean hlc3, hl2 or hma?); the prices are",
        ),
        ("rsi(14, 2 * 3) < 30", "2 * 3", "rsi cannot be computed from a number, which never changes; use a price or"),
        ("rsi(14, close / 0) < 30", "close / 0", "division by zero"),
        ("ema(9, rsi(14)[2]) < 30", "rsi(14)[2]", "a source has no steps back: write [2] after all of ema(...)"),
        ("ema(9, high - low[1]) < 30", "high", "a source has no steps back: write [1] after all of ema(...)"),
        (
            "ema(9, rsi@4h) < 30",
            "rsi@4h",
            "its indicator, which is BINANCE:BTCUSDT 1h, not from BINANCE:BTCUSDT 4h",
        ),
        ("ema(9, rsi@ETHUSDT) < 30", "rsi@E", "not from BINANCE:ETHUSDT 1h: write @ after all of ema(...)"),
        ("ema(9, rsi@1h)@4h < 30", "rsi@1h", "which is BINANCE:BTCUSDT 4h, not from BINANCE:BTCUSDT 1h"),
        (
            "ema(9, atr) < 30",
            "atr",
            "atr cannot be a source, as it is always computed from high low close",
        ),
        ("ema(9, close / atr) < 30", "close / atr", "atr cannot be a source"),
        ("ema(9, bbands) < 30", "bbands", "bbands has several outputs; say which one: bbands.upper bbands.middle"),
        ("ema(9, macd.upper) < 30", "upper", "macd has no output 'upper'"),
        ("ema(9, rsi(14, 7)) < 30", "7", "rsi takes no number here; its parameters: period"),
        ("sma(rsi, 9) < 30", "9", "sma takes no number here; write BTCUSDT 1h: sma(9, rsi) < 30"),
        (
            "ema(9, ema(9, ema(9, ema(9)))) < 30",
            "ema(9, ema(9, ema(9)))",
            "ema and its source are 4 levels deep",
        ),
        (
            "ema(9, ema(9, ema(9, high - low))) < 30",
            "ema(9, ema(9, high - low))",
            "at most 3 are allowed",
        ),
        ("ema(9, ema(9, rsi + 1) * 2) < 30", "ema(9, rsi + 1) * 2", "are 5 levels deep"),
        ("macd(slow=30, 5) < 30", "5)", "macd: numbers without a name come first"),
        ("macd(hl2, 12) < 30", "12", "macd: numbers without a name come first"),
        ("macd(30) < 30", "macd", "macd: fast must be below slow, got fast=30 and slow=26"),
        (
            "macd.histgram < 30",
            "histgram",
            "macd has no output 'histgram' (did you mean histogram?); it has line signal",
        ),
        ("close < bbands(20)", "bbands", "bbands has several outputs; say which one: bbands.upper"),
        ("atr(14, close) < 30", "close", "so it takes no source; write BTCUSDT 1h: atr(14) < 30"),
        (
            "atr(14, rsi) < 30",
            "rsi",
            "so it takes no source; leave it out, or use one of sma ema",
        ),
        ("close(14) < 30", "close", "close is a price: it takes no parameters"),
        ("close.value < 30", "close", "close is a price: it takes no parameters"),
        (
            "rsi crosess_below 30",
            "crosess",
            "unknown operator 'crosess_below' (did you mean crosses_below?); use one of <",
        ),
        ("rsi == 30", "==", "unknown operator '=='"),
        ("rsi < 1e16", "1e16", "number 1e+16 is too large; numbers go from -1e15 to 1e15"),
        ("rsi < -1e999", "-1e999", "number -inf is too large"),
        ("rsi < nan", "nan", "unknown indicator or price 'nan'"),
        ("1 < 30", "1", "both sides of the comparison are numbers"),
        ("rsi < 30 and (-1 < 30)", "-1", "both sides of the comparison are numbers"),
        (
            "close < open < high",
            "< high",
            "comparisons cannot be chained; write BTCUSDT 1h: close < open and open < high",
        ),
        ("close < open above high", "above", "comparisons cannot be chained"),
        ("close < open crosses below high", "crosses", "comparisons cannot be chained"),
        ("rsi 30", "30", "unexpected '30'; expected an operator such as < or crosses_below"),
        ("rsi(14 < 30", "<", "unexpected '<'; expected ',', ')'"),
        ("(rsi < 30", "", "the condition ends too early; expected ')'"),
        ("rsi <  ", "", "the condition ends too early; expected a name such as rsi or close, a number"),
        ("", "", "the condition ends too early"),
        ("rsi < 30) and close > 1", ")", "unexpected ')'; expected the end of the condition"),
        ("all() and close > 1", ")", "unexpected ')'"),
        ("rsi < --30", "-30", "unexpected '-'; expected a name such as rsi or close, a number"),
        ("macd. < 30", "<", "expected the name of an output"),
        ("rsi[1.5] < 30", "1.5", "[k] goes back a whole number of steps from 0 to 500, got 1.5"),
        ("rsi[501] < 30", "501", "[k] goes back at most 500 steps, got 501"),
        ("(close - open[300])[300] > 0", "300])", "[k] goes back at most 500 steps, got 600"),
        ("rsi[1][2] < 30", "2", "two numbers of steps back; write one"),
        ("rsi[-1] < 30", "-1", "unexpected '-'; write BTCUSDT 1h: rsi[1] < 30"),
        ("rsi[1 < 30", "< 30", "unexpected '<'; expected ']'"),
        ("rsi@7h < 30", "7h", "timeframe '7h' is not supported"),
        ("rsi@1M < 30", "1M", "timeframe '1M' is not supported"),
        ("rsi@30m < 30", "30m", "@30m is not a multiple of the condition's own timeframe 1h; use one of 1h 2h 4h"),
        ("rsi@4h@1d < 30", "1d", "two timeframes, 4h and 1d; write one"),
        ("rsi@ETHUSDT@ADAUSDT < 30", "ADAUSDT", "two instruments, BINANCE:ETHUSDT and BINANCE:ADAUSDT; write one"),
        ("close@ETHUSDT/open > 2", "ETHUSDT/", "write blanks around the sign in 'ETHUSDT/open'"),
        ("close@ETH/USDT:USDT-250230 > 2", "ETH/", "'ETH/USDT:USDT-250230' expires on 250230, which is no day"),
        ("close@ETH-USDT-250328 > 2", "ETH-", "write blanks around the sign in 'ETH-USDT-250328' to subtract"),
        ('close@"BTC/USD > 2', '"BTC', "no condition contains it except around a name at its start or behind @"),
        ('close@"^VIX" > 2', '"^', "symbol '^VIX' is malformed"),
        ("rsi@D < 30", "D <", "@D may be a timeframe or an instrument; write a timeframe like @4h, or the instrument"),
        ("rsi@240 < 30", "240", "@240 may be a timeframe or an instrument; write a timeframe like @4h"),
        ("rsi@ < 30", "< 30", "unexpected '<'; expected a timeframe or a symbol such as 4h or ETHUSDT"),
        ("(close > open)[1]", "[", "unexpected '['"),
        ("rsi < 1 / (2 - 2)", "rsi", "division by zero: the condition would be UNKNOWN on every candle"),
        ("close / 0 > 1", "close", "division by zero"),
        ("close > 1e15 * 10", "close", "number 1e+16 is too large"),
        ("1 + 2 > 3", "1", "both sides of the comparison are numbers"),
        ("rsi betwen 40 and 60", "betwen", "unknown operator 'betwen' (did you mean between?)"),
        ("rsi between 40", "", "the condition ends too early; expected 'and'"),
        ("rsi between 60 and 40", "rsi", "the channel from 60 to 40 is empty; write the lower bound first"),
        ("50 between 40 and rsi", "50", "both sides of the comparison are numbers"),
        ("close rises_by -5", "close", "rises_by needs an amount above 0, got -5; see falls_by"),
        ("close falls_by 0%", "close", "falls_by needs an amount above 0, got 0; see rises_by"),
        ("close moving_up_percent atr", "close", "a percentage is a number such as 5%"),
        ("5 rises_by 1", "5", "a number does not move"),
        ("5 rising 2 bars", "5", "a number neither rises nor falls"),
        ("close rising 501 bars", "501", "bars must be between 1 and 500, got 501"),
        ("rsi < 30 for 0 bars", "0 bars", "bars must be between 1 and 500, got 0"),
        ("rsi < 30 for 1.5 bars", "1.5", "the number of bars must be whole, got 1.5"),
        ("rsi < 30 within 1e9", "1e9", "bars must be between 1 and 500, got 1e+09"),
        ("rsi < 30 for 1e999 bars", "1e999", "the number of bars must be whole, got inf"),
        ("1e999 of (rsi < 30, close > 1)", "1e999", "needs a whole k from 1 to 2, got inf"),
        ("rsi[1e999] < 30", "1e999", "[k] goes back a whole number of steps from 0 to 500, got inf"),
        ("rsi < 30 for bars", "bars", "unexpected 'bars'; expected a number"),
        ("close rises_by 5% within 501 bars", "501", "bars must be between 1 and 500, got 501"),
        ("3 of (rsi < 30, close > 1)", "3 of", "k of (2 conditions) needs a whole k from 1 to 2, got 3"),
        ("0 of (rsi < 30, close > 1)", "0 of", "got 0"),
        ("1.5 of (rsi < 30, close > 1)", "1.5", "got 1.5"),
        ("2 of rsi", "rsi", "unexpected 'rsi'; expected '('"),
        ("rsi < 30 and every(close > 1)", "every", "every(...) is allowed only at the top of a condition"),
        ("every(every(close > 1))", "every(c", "every(...) is allowed only at the top of a condition"),
        ("not every(close > 1)", "every", "every(...) is allowed only at the top of a condition"),
        ("rsi < 30: close > 1", ":", "unexpected ':'"),
        (
            "rsi < 30 then close > 1",
            "",
            "the condition ends too early; write BTCUSDT 1h: rsi < 30 then close > 1 within 5 bars",
        ),
        (
            "rsi < 30 then close > 1 for 3 bars",
            "for",
            "unexpected 'for'; expected 'within'; write A then B within 5 bars",
        ),
        ("rsi < 30 then close > 1 within 3 then close > 2 within 3", "then close > 2", "does not chain; write (A then"),
        ("rsi < 30 for 3 bars then close > 1 within 3", "then", "stands between two comparisons or parentheses"),
        ("not rsi < 30 then close > 1 within 0 bars", "0 bars", "bars must be between 1 and 500, got 0"),
        ("rsi < 30 then not close > 1 within 3 bars", "not", "put both into parentheses: (not rsi < 30)"),
        ("rsi then close > 1 within 3 bars", "then", "stands between two comparisons"),
        ("before rsi < 30", "before", "before needs parentheses: before(rsi < 30)"),
        ("before(every(rsi < 30))", "every", "every(...) is allowed only at the top of a condition"),
        ("rsi < 30 then every(close > 1) within 3", "every", "every(...) is allowed only at the top of a condition"),
        ("during(mon-fri)", "during", "a time window is part of a condition, never all of it"),
        ("every(not during(mon) or during(tue))", "every", "a time window is part of a condition, never all of it"),
        (
            "close > 1 and during(09:30-09:45)",
            "close",
            "during(09:30-09:45) would never be true: no candle of 1h opens",
        ),
        ("close > 1 and not during(08:30-08:15)", "close", "during(08:15-08:30) would never be true"),
        ("close > 1 and during(mon-sun)", "during", "the window is all of the week, so it is always true"),
        ("close > 1 and during(00:00-24:00, UTC)", "during", "so it is always true"),
        (
            "close > 1 and during(08:00-08:00)",
            "08:00-",
            "08:00-08:00 has no length; for whole days leave the times out",
        ),
        ("close > 1 and during(24:00-02:00)", "24:00", "a window begins before 24:00; write 00:00"),
        ("close > 1 and during(08:00-24:01)", "08:00", "24:01 is no time of day; write 00:00 to 24:00"),
        ("close > 1 and during(08:60-09:00)", "08:60", "08:60 is no time of day"),
        ("close > 1 and during(8-16)", "8-16", "'8-16' is no time range such as 08:00-16:00, no weekdays such as mon"),
        ("close > 1 and during(mon-fry)", "mon-fry", "no time zone such as America/New_York"),
        ("close > 1 and during(mon, Europe/Pari)", "Europe", "(did you mean Europe/Paris?)"),
        ("close > 1 and during(mon, EET, CET)", "during", "two time zones in one window, EET and CET; write one"),
        ("close > 1 and during(08:00-09:00, 10:00-11:00)", "during", "two time ranges in one window; write any(during"),
        ("close > 1 and during()", ")", "expected a time range, weekdays or a time zone such as 08:00-16:00, mon-fri"),
        ("close > 1 and during mon", "during", "during needs parentheses: during(08:00-16:00, mon-fri)"),
        ("close > min(20)", "min", "for the lowest close of 20 candles write lowest(20)"),
        ("close > max(20, high)", "max", "for the highest high of 20 candles write highest(20, high), for"),
        ("close > min(5 * 4)", "min", "min takes two or more operands, got 1; write min(open, close)"),
        ("close > max(high)", "max", "max takes two or more operands, got 1; write max(open, close)"),
        ("close > max(period=20)", "period", "no period; over several candles it is highest, such as highest(period"),
        ("close > max", "max", "over several candles it is highest, such as highest(20)"),
        ("close > abs", "abs", "abs is a function of an operand; write abs(close - open)"),
        ("abs(close, open) > 1", "abs", "abs takes one operand, got 2"),
        ("abs(x=close) > 1", "x=", "abs takes one operand and no x"),
        ("abs() > 1", ")", "unexpected ')'; expected a name such as rsi or close, a number"),
        ("max(close > 1, open) > 1", "> 1, open", "unexpected '>'; expected ',', ')'"),
        ("max(1, 2) < 3", "max", "both sides of the comparison are numbers"),
        ("max(1e15, 1) * 10 < close", "max", "number 1e+16 is too large"),
    ],
)
def test_what_a_text_is_refused_for(text: str, marked: str, message: str) -> None:
    header = "BTCUSDT 1h: "
    error = refused(header + text)
    position = len(header) + (text.rindex(marked) if marked else len(text.rstrip()))
    if not text.rstrip():
        position = len(header.rstrip())
    first, shown, caret = str(error).split("\n")
    assert message in first
    assert error.position == position
    assert error.pointer is None
    assert shown == "  " + (header + text).rstrip()
    assert caret == " " * (2 + position) + "^"


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("BTCUSDT 7m: rsi < 30", "7m", "timeframe '7m' is not supported (did you mean"),
        ("BTCUSDT 1M: rsi < 30", "1M", "timeframe '1M' is not supported"),
        ("  BTC//USDT 1h: rsi < 30", "BTC//", "symbol 'BTC//USDT' is malformed; write it like BTCUSDT"),
        ('"^VIX" 1d: rsi < 30', '"^', "symbol '^VIX' is malformed"),
        ("BTCUSD_PERP 1h: rsi < 30", "BTCUSD", "does not say what the contract is settled in"),
        ("rsi < 30", "rsi", "the condition lacks symbol and timeframe"),
        ("BTCUSDT: rsi < 30", "BTCUSDT", "and there are no defaults; write BTCUSDT 1h: rsi < 30"),
        ("1h: rsi < 30", "1h", "the condition lacks symbol and timeframe"),
        ("BTCUSDT 1h: rsi < \u0663", "\u0663", "character U+0663 is not allowed"),
        ("BTCUSDT 1h: rsi\x00 < 30", "\x00", "character U+0000 is not allowed; a condition is written in printable"),
        ("BTCUSDT 1h:\x1b[2J rsi < 30", "\x1b", "character U+001B is not allowed"),
        ("BTCUSDT 1h: rsi\u00a0< 30", "\u00a0", "character U+00A0 is not allowed"),
        ("BTCUSDT 1h: \ud800", "\ud800", "character U+D800 is not allowed"),
    ],
)
def test_headers_and_characters(text: str, marked: str, message: str) -> None:
    error = refused(text)
    assert message in str(error)
    assert error.position == text.index(marked)
    assert str(error).isascii()
    assert "\x1b" not in str(error)


def test_a_long_text_is_shown_in_part() -> None:
    text = "BTCUSDT 1h: " + "close > 1 and " * 10 + "rsii < 30" + " and close > 1" * 10
    error = refused(text)
    _, shown, caret = str(error).split("\n")
    assert shown[caret.index("^") :].startswith("rsii < 30")
    assert shown.startswith("  ...")
    assert shown.endswith("...")
    assert len(shown) < 140


BASE: dict[str, object] = {"symbol": "BTCUSDT", "timeframe": "1h", "indicator": "RSI", "operator": "<", "value": 30}


@pytest.mark.parametrize(
    ("changes", "pointer", "message"),
    [
        ({"value": True}, "/value", "value must be a finite number, got true"),
        ({"value": "30"}, "/value", "value must be a finite number, got '30'"),
        ({"value": float("nan")}, "/value", "value must be a finite number, got nan"),
        ({"value": float("-inf")}, "/value", "value must be"),
        ({"value": 10**16}, "/value", "value must be between -1e15 and 1e15, got a far larger number"),
        ({"value": 10**5000}, "/value", "got a far larger number"),
        ({"value": [30]}, "/value", "value must be a finite number, got a value of type list"),
        ({"value": None}, "/value", "value is missing; RSI does not swing around 0"),
        ({"indicator": "close", "value": None}, "/value", "value is missing"),
        ({"indicator": "RSII"}, "/indicator", "unknown indicator or price 'RSII' (did you mean rsi,"),
        ({"indicator": 14}, "/indicator", "indicator must be text, got 14"),
        ({"indicator": None}, "/indicator", "indicator must be text, got null"),
        ({"indicator": ""}, "/indicator", "indicator must have 1 to 64 printable ASCII characters, got ''"),
        ({"indicator": "x" * 1_000_000}, "/indicator", "indicator must have 1 to 64"),
        ({"indicator": "rs\u0131"}, "/indicator", "got 'rs\\u0131'"),
        ({"operator": "crosess_below"}, "/operator", "unknown operator 'crosess_below' (did you mean crosses_below?)"),
        ({"timeframe": "7m"}, "/timeframe", "timeframe '7m' is not supported"),
        ({"timeframe": "1M"}, "/timeframe", "timeframe '1M' is not supported"),
        ({"timeframe": None}, "/timeframe", "timeframe is missing; name it in the condition (timeframe: 1h)"),
        ({"symbol": "BTC//USDT"}, "/symbol", "symbol 'BTC//USDT' is malformed"),
        ({"symbol": None}, "/symbol", "symbol is missing; name it in the condition (symbol: BTCUSDT)"),
        ({"exchange": "BIN ANCE"}, "/exchange", "exchange 'BIN ANCE' is malformed"),
        ({"exchange": "KRAKEN", "symbol": "BINANCE:BTCUSDT"}, "/exchange", "exchange is KRAKEN, but the symbol is"),
        ({"period": 0}, "/period", "rsi: period must be between 2 and 1000, got 0"),
        ({"period": True}, "/period", "period must be a finite number, got true"),
        ({"params": {"period": 0}}, "/params/period", "rsi: period must be between 2 and 1000, got 0"),
        ({"params": {"Period": 14.5}}, "/params/Period", "rsi: period must be a whole number, got 14.5"),
        ({"params": {"perod": 14}}, "/params/perod", "rsi has no parameter 'perod' (did you mean period?)"),
        ({"params": {"period": "14"}}, "/params/period", "params.period must be a finite number, got '14'"),
        ({"params": {"a/b~c": "14"}}, "/params/a~1b~0c", "params.a/b~c must be a finite number"),
        ({"params": [14]}, "/params", 'params must be an object such as {"period": 14}, got a value of type list'),
        (
            {"params": {"period": 14}, "period": 14},
            "/period",
            "period is given twice, in /params/period and in /period",
        ),
        ({"params": {"period": 14, "PERIOD": 15}}, "/params/PERIOD", "period is given twice"),
        ({"indicator": "macd", "params": {"fast": 30}}, "/params", "macd: fast must be below slow"),
        ({"indicator": "macd", "period": 14}, "/period", "macd has no parameter 'period'"),
        ({"indicator": "macd", "component": "histgram"}, "/component", "macd has no output 'histgram' (did you mean"),
        ({"indicator": "bbands"}, "/component", "component: bbands has several outputs"),
        ({"indicator": "atr", "source": "close"}, "/source", "atr is always computed from high low close"),
        ({"source": 5}, "/source", "rsi cannot be computed from a number"),
        ({"source": ["close"]}, "/source", "an operand is a number, an object or text"),
        ({"source": {"indicator": "ema", "offset": 1}}, "/source", "a source has no steps back: write [1] after all"),
        ({"source": {"price": "close", "timeframe": "4h"}}, "/source", "not from BINANCE:BTCUSDT 4h"),
        ({"source": {"indicator": "ema", "source": {"indicator": "atr"}}}, "/source/source", "atr cannot be a source"),
        ({"source": "ema(9, ema(9, high - low))"}, "/source", "rsi and its source are 4 levels deep"),
        ({"indicator": "close", "period": 14}, "/period", "close is a price: it takes no period"),
        ({"indicator": "close", "source": "open"}, "/source", "close is a price: it takes no source"),
        ({"vlue": 30}, "/vlue", "unknown field 'vlue' (did you mean value?); the fields are symbol exchange timeframe"),
        ({"when": {}}, "/indicator", "unknown field 'indicator'; the fields are symbol exchange timeframe when"),
    ],
)
def test_what_a_flat_condition_is_refused_for(changes: dict[str, object], pointer: str, message: str) -> None:
    error = refused({**BASE, **changes})
    assert message in str(error)
    assert (error.pointer, error.position) == (pointer, None)
    assert len(str(error)) < 500


def test_a_mistake_inside_the_text_of_a_source_has_a_pointer_and_a_position() -> None:
    error = refused({**BASE, "source": "ema(9, clse)"})
    assert "unknown indicator or price 'clse' (did you mean close or linreg?)" in str(error)
    assert (error.pointer, error.position) == ("/source", 7)


@pytest.mark.parametrize("field", ["symbol", "timeframe", "indicator", "operator", "value"])
def test_a_missing_field_is_named(field: str) -> None:
    error = refused({name: value for name, value in BASE.items() if name != field})
    assert error.pointer == f"/{field}"
    assert f"{field} is missing" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"symbol":', "the condition is not valid JSON"),
        ("{rsi < 30}", "the condition is not valid JSON"),
        (json.dumps(BASE).replace("30", "NaN"), "value must be a finite number, got nan"),
        (json.dumps(BASE).replace("30", "1e400"), "value must be a finite number"),
        (json.dumps(BASE).replace("30", "[" * 5000), "the condition is not valid JSON"),
        (json.dumps(BASE).replace("30", '{"a":' * 1500), "the condition is not valid JSON"),
    ],
)
def test_json_texts(text: str, message: str) -> None:
    assert message in str(refused(text))


def test_stand_ins_are_checked_as_such() -> None:
    with pytest.raises(TimeframeError, match="'7m' is not supported"):
        Condition.parse("rsi < 30", symbol="BTCUSDT", timeframe="7m")
    with pytest.raises(InstrumentError, match="malformed"):
        Condition.parse({"indicator": "RSI", "operator": "<", "value": 30}, symbol="BTC//USDT", timeframe="1h")
    for source in (b"BTCUSDT 1h: rsi < 30", None, 14, ["rsi"]):
        with pytest.raises(ConditionError, match="a condition is text or an object, got a value of type"):
            Condition.parse(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "offer"),
    [
        ("obv", "obv > obv[20]"),
        ("atr(7)", "atr(7) > atr(7)[20]"),
        ("adx.plus_di", "adx(14, 14).plus_di > adx(14, 14).plus_di[20]"),
    ],
)
def test_an_indicator_that_cannot_be_a_source_can_be_compared_with_its_past(source: str, offer: str) -> None:
    """What is offered is a condition as it stands."""
    error = refused(f"BTCUSDT 1h: close > sma(20, {source})")
    assert f"compare it with its own past, as in {offer}, or use a price" in str(error)
    assert Condition.parse(f"BTCUSDT 1h: {offer}").text.endswith(offer)
