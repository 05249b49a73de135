"""What traders write elsewhere is read as they mean it, or refused with a text that can be read."""

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.catalogue import NAMES, catalogue
from registry import Condition, ConditionError
from registry.language.vocabulary import COMPARISONS
from tests.registry.language.written import Written, check

WITH_PERIOD = [name for name in NAMES if [one.name for one in catalogue()[name].parameters] == ["period"]
               and len(catalogue()[name].outputs) == 1]  # fmt: skip
WITH_SOURCE = [name for name in WITH_PERIOD if catalogue()[name].inputs == ("source",)]

PINE_SOURCES = {"highest": ", high", "lowest": ", low"}
"""What Pine's functions look at unless they are told otherwise, where that is not what ours look at."""


Spelling = Callable[[str, int, int], Written]
"""From the name of an indicator with one parameter, its period and a threshold."""

ACCEPTED: Mapping[str, Spelling] = {
    "attached": lambda name, n, x: Written(f"{name}{n} < {x}", (f"{name}({n}) < {x}",)),
    "with _": lambda name, n, x: Written(f"{name.upper()}_{n} < {x}", (f"{name}({n}) < {x}",)),
    "length": lambda name, n, x: Written(f"{name}(length={n}) < {x}", (f"{name}({n}) < {x}",)),
    "timeperiod": lambda name, n, x: Written(f"{name}(timeperiod={n}) < {x}", (f"{name}({n}) < {x}",)),
    "at most": lambda name, n, x: Written(f"{name}({n}) \u2264 {x}", (f"{name}({n}) <= {x}",)),
    "at least": lambda name, n, x: Written(f"{name}({n}) \u2265 {x}", (f"{name}({n}) >= {x}",)),
    "and": lambda name, n, x: Written(f"{name}({n})<{x}&&close>open", (f"{name}({n}) < {x} and close > open",)),
    "or": lambda name, n, x: Written(f"{name}({n})<{x}||close>open", (f"{name}({n}) < {x} or close > open",)),
    "humps": lambda name, n, x: Written(f"{name}({n}) crossesBelow {x}", (f"{name}({n}) crosses_below {x}",)),
}
REFUSED: Mapping[str, Spelling] = {
    "3Commas": lambda name, n, x: Written(
        f"{name.upper()}-{n} < {x}", (f"{name}({n}) < {x}", f"{name} - {n} < {x}")
    ),
    "apart": lambda name, n, x: Written(f"{name} {n} under {x}", (f"{name}({n}) < {x}",)),
    "before": lambda name, n, x: Written(f"{n} {name} above {x}", (f"{name}({n}) > {x}",)),
    "equal": lambda name, n, x: Written(f"{name}({n}) == {x}", (f"{name}({n}) crosses {x}",)),
    "is": lambda name, n, x: Written(f"{name}({n}) = {x}", (f"{name}({n}) crosses {x}",)),
    "different": lambda name, n, x: Written(f"{name}({n}) != {x}", (f"{name}({n}) outside {x} and {x}",)),
    "on": lambda name, n, x: Written(f"{name}({n}) on 4h < {x}", (f"{name}({n})@4h < {x}",)),
    "on, behind": lambda name, n, x: Written(f"{name}({n}) < {x} on the 4h", (f"{name}({n})@4h < {x}",)),
    "inside": lambda name, n, x: Written(f"{name}({n}, 4h) < {x}", (f"{name}({n})@4h < {x}",)),
    "touches": lambda name, n, x: Written(f"{name}({n}) touches {x}", (f"{name}({n}) crosses {x}",)),
    "drops": lambda name, n, x: Written(f"{name} {n} drops below {x}", (f"{name}({n}) crosses_below {x}",)),
    "breaks": lambda name, n, x: Written(f"{name}({n}) breaks above {x}", (f"{name}({n}) crosses_above {x}",)),
    "single &": lambda name, n, x: Written(
        f"({name}({n}) < {x}) & (close > open)", (f"{name}({n}) < {x} and close > open",)
    ),
    "comma": lambda name, n, x: Written(f"{name}({n}) < {x}, close > open", (f"{name}({n}) < {x} and close > open",)),
    "chain": lambda name, n, x: Written(
        f"{x} < {name}({n}) < {x + 9}", (f"{name}({n}) > {x} and {name}({n}) < {x + 9}",)
    ),
    "if": lambda name, n, x: Written(f"if {name}({n}) < {x}", (f"{name}({n}) < {x}",)),
    "crossover": lambda name, n, x: Written(f"ta.crossover({name}({n}), {x})", (f"{name}({n}) crosses_above {x}",)),
    "crossunder": lambda name, n, x: Written(
        f"crossunder(ta.{name}({n}), {x}) and close > open",
        (f"{name}({n}{PINE_SOURCES.get(name, '')}) crosses_below {x} and close > open",),
    ),
    "thousands": lambda name, n, x: Written(f"{name}({n}) > {x},000", (f"{name}({n}) > {x}000",)),
    "thousands, short": lambda name, n, x: Written(f"{name}({n}) > ${x}k", (f"{name}({n}) > {x}000",)),
    "step to come": lambda name, n, x: Written(f"close > {name}({n})[-{x}]", (f"close > {name}({n})[{x}]",)),
    "shift": lambda name, n, x: Written(f"{name}({n}) > close.shift({x})", (f"{name}({n}) > close[{x}]",)),
}  # fmt: skip


@pytest.mark.parametrize("spelling", sorted(ACCEPTED))
@settings(max_examples=8)
@given(name=st.sampled_from(WITH_PERIOD), period=st.integers(2, 200), threshold=st.integers(1, 90))
def test_what_is_read(spelling: str, name: str, period: int, threshold: int) -> None:
    assert check(ACCEPTED[spelling](name, period, threshold)) is None


@pytest.mark.parametrize("spelling", sorted(REFUSED))
@settings(max_examples=8)
@given(name=st.sampled_from(WITH_PERIOD), period=st.integers(2, 200), threshold=st.integers(1, 90))
def test_what_is_refused_with_the_text_to_write(spelling: str, name: str, period: int, threshold: int) -> None:
    assert check(REFUSED[spelling](name, period, threshold)) is not None


@settings(max_examples=30)
@given(st.sampled_from(WITH_SOURCE), st.sampled_from(("close", "hl2", "volume")), st.integers(2, 99))
def test_a_source_before_the_numbers(name: str, source: str, period: int) -> None:
    for prefix in ("", "ta.", "talib."):
        check(Written(f"{prefix}{name}({source}, {period}) > 5", (f"{name}({period}, {source}) > 5",)))


@settings(max_examples=60)
@given(
    symbol=st.sampled_from(("BTCUSDT", "BTC/USDT", "KRAKEN:ETHEUR", "BTCUSDT.P")),
    timeframe=st.sampled_from(("1h", "15m", "4 hours", "1d")),
    between=st.sampled_from((" ", ",", ", ", "  ")),
    after=st.sampled_from((": ", " : ", ":", " ", ", ")),
    text=st.sampled_from(("rsi < 30", "2 of (rsi < 30, close > open)", "all(rsi < 30, close > open)", "(close) > 3")),
)
def test_headers_with_a_comma_or_without_a_colon(
    symbol: str, timeframe: str, between: str, after: str, text: str
) -> None:
    written, meant = f"{symbol}{between}{timeframe}{after}{text}", f"{symbol} {timeframe}: {text}"
    assert Condition.parse(written) == Condition.parse(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ETHUSDT@4h: rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("ETHUSDT:4h: rsi 14 < 30", "ETHUSDT 4h: rsi < 30"),
        ("ETHUSDT (4h) rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("ETHUSDT on 4h: rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("4h ETHUSDT: rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("4h, ETHUSDT: rsi touches 30", "ETHUSDT 4h: rsi crosses 30"),
        ("ETHUSDT: rsi < 30", "ETHUSDT 1h: rsi < 30"),
        ("4h: rsi < 30", "BTCUSDT 4h: rsi < 30"),
        ("rsi < 30", "BTCUSDT 1h: rsi < 30"),
        ("ETHUSDT 4h - rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("ETHUSDT 4h -> rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("ETHUSDT daily rsi < 30", "ETHUSDT 1d: rsi < 30"),
        ("ETHUSDT perp 4h: rsi < 30", "ETHUSDT.P 4h: rsi < 30"),
        ("on ETHUSDT 4h, rsi 14 < 30", "ETHUSDT 4h: rsi < 30"),
        ("symbol=ETHUSDT timeframe=4h rsi < 30", "ETHUSDT 4h: rsi < 30"),
        ("rsi < 30 on ETHUSDT 4h", "ETHUSDT 4h: rsi < 30"),
        ("rsi 14 < 30", "BTCUSDT 1h: rsi < 30"),
        ("rsi on 4h < 30", "BTCUSDT 1h: rsi@4h < 30"),
    ],
)
def test_other_headers(text: str, meant: str) -> None:
    with pytest.raises(ConditionError) as caught:
        Condition.parse(text)
    (instead,) = re.findall("; write (.*)", str(caught.value).split("\n")[0])
    assert Condition.parse(instead) == Condition.parse(meant)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("macd crosses_above signal", "macd.line crosses_above macd.signal"),
        ("macd(5, 35, 5) crosses above signal", "macd(5, 35, 5).line crosses_above macd(5, 35, 5).signal"),
        ("MACD line crosses above signal line", "macd.line crosses_above macd.signal"),
        ("macd_histogram > 0", "macd.histogram > 0"),
        ("macd_hist rising 3 bars", "macd.histogram rising 3 bars"),
        ("macd crosses above signal on 4h", "macd.line@4h crosses_above macd.signal@4h"),
        ("close < sma(20) on the 4h", "close@4h < sma(20)@4h"),
        ("histogram > 0", "macd.histogram > 0"),
        ("stoch_k crosses above stoch_d", "stoch.k crosses_above stoch.d"),
        ("bb_lower > close", "bbands.lower > close"),
        ("close touches lower bollinger band", "close crosses bbands.lower"),
        ("price closes above sma(200)", "close > sma(200)"),
        ("close closes below bbands.lower", "close < bbands.lower"),
        ("closes above 60,000", "close > 60000"),
        ("close drops 5%", "close falls_by 5%"),
        ("close > 5%", "close rises_by 5%"),
        ("close up 5 percent", "close rises_by 5%"),
        ("atr(high, low, close, 14) > 5", "atr(14) > 5"),
        ("df['close'] > dataframe[\"open\"]", "close > open"),
        ("close > 1.05 \u00d7 open", "close > 1.05 * open"),
        ("math.max(open, close[1]) > 3", "max(open, close[1]) > 3"),
        ("np.abs(close - open) touches 3", "abs(close - open) crosses 3"),
        ("close > previous high", "close > high[1]"),
        ("close > sma(20) 3 bars ago", "close > sma(20)[3]"),
        ("rsi is < 30", "rsi < 30"),
        ("rsi crosses 30 from below", "rsi crosses_above 30"),
        ("rsi crossed 30 downwards", "rsi crosses_below 30"),
        ("not rsi(14) = 30", "not rsi(14) crosses 30"),
        ("rsi(14) = 30 and rsi(period=9) touches 30", "rsi(14) crosses 30 and rsi(9) crosses 30"),
    ],
)  # fmt: skip
def test_first_contact(text: str, meant: str) -> None:
    check(Written(text, (meant,)))


@pytest.mark.parametrize(
    "text", ["rsi - 7 < 30", "rsi -7 < 30", "close-7 > 1", "rsi(14)-7 < 30", "obv-7 > 1", "close@ETH-USDT > 1"]
)
def test_a_subtraction_stays_one(text: str) -> None:
    assert Condition.parse(f"BTCUSDT 1h: {text}")


def test_a_header_alone_is_told_what_is_missing() -> None:
    with pytest.raises(
        ConditionError, match=r"nothing follows BTCUSDT 1h; write what should happen: BTCUSDT 1h: rsi < 30"
    ):
        Condition.parse("BTCUSDT 1h")


def test_a_long_text_is_not_read_as_a_subtraction_either() -> None:
    with pytest.raises(ConditionError, match=r"; write rsi\(7\), or with blanks: rsi - 7\n"):
        Condition.parse("BTCUSDT 1h: " + "close > 1 and " * 20 + "rsi-7 < 30")


def test_ambiguous_parts_of_json_are_refused_and_unambiguous_ones_are_read() -> None:
    flat = {"symbol": "BTCUSDT", "timeframe": "1h", "operator": "<", "value": 30}
    for name in ("RSI-7", "rsi7", "RSI_7", "rsi 7", "RSI(7)", "rsi (7)"):
        assert Condition.parse({**flat, "indicator": name}) == Condition.parse("BTCUSDT 1h: rsi(7) < 30")
        with pytest.raises(ConditionError, match="period is given twice, in indicator") as caught:
            Condition.parse({**flat, "indicator": name, "period": 9})
        assert caught.value.pointer == "/period"
    histogram = Condition.parse({**flat, "indicator": "MACD histogram", "params": {"fastperiod": 5, "slow_length": 9}})
    assert histogram == Condition.parse("BTCUSDT 1h: macd(5, 9).histogram < 30")
    tree = {"left": {"indicator": "bbands_lower", "params": {"length": 9}}, "operator": "\u2265", "right": "close"}
    lower = Condition.parse({"symbol": "BTCUSDT", "timeframe": "1h", "when": tree})
    assert lower == Condition.parse("BTCUSDT 1h: bbands(9).lower >= close")
    series = {"symbol": "BTCUSDT", "timeframe": "1h"}
    for when, instead in (("BTCUSDT 1h: rsi < 30", "rsi < 30"), ("rsi 14 touches 30", r"rsi\(14\) crosses 30")):
        with pytest.raises(ConditionError, match=f"; write {instead}\n") as caught:
            Condition.parse({**series, "when": when})
        assert caught.value.pointer == "/when"
    for value, message in (
        ("60,000", "write 60000"),
        ("30%", "write the number alone"),
        ("signal", "write macd.signal"),
    ):
        with pytest.raises(ConditionError, match=message) as caught:
            Condition.parse({**flat, "indicator": "close", "value": value})
        assert caught.value.pointer == "/value"
    with pytest.raises(ConditionError, match=r"write rsi\(7\), or with blanks: rsi - 7") as caught:
        Condition.parse({**flat, "indicator": "close", "value": "rsi-7"})
    assert caught.value.pointer == "/value"


def test_an_unknown_name_shows_at_most_three_neighbours() -> None:
    for name in ("stoc", "rsii", "avg", "bolinger", "xyzzy"):
        with pytest.raises(ConditionError) as caught:
            Condition.parse(f"BTCUSDT 1h: {name} > 1")
        named = re.findall(r"did you mean (.*)\?\)", str(caught.value))
        assert not named or len(re.split(", | or ", named[0])) <= 3
        assert len(str(caught.value)) < 300


def test_every_operator_may_be_written_with_humps() -> None:
    for spelling in (spelling for spelling in COMPARISONS if "_" in spelling):
        first, *others = spelling.split("_")
        humps = first + "".join(word.title() for word in others)
        assert Condition.parse(f"BTCUSDT 1h: rsi {humps} 30") == Condition.parse(f"BTCUSDT 1h: rsi {spelling} 30")
