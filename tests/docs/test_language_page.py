"""Every example of ``docs/language.md`` does what the page says."""

import json
import re
from pathlib import Path

import pytest

from common.timeframes import DURATION_MS, normalise_timeframe
from registry import Condition, ConditionError, Instrument, InstrumentError, TimeframeError
from registry.directory import Directory
from registry.instruments import Listing, normalise_instrument
from registry.language.as_text.text import parse_operand
from registry.language.surface import momentary
from registry.language.tree import Price
from registry.naming import reading
from tests.registry.language.reference import SERIES, History, fires

PAGE = Path(__file__).parents[2].joinpath("docs", "language.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("line", [line for block in blocks("condition") for line in block.splitlines()])
def test_conditions(line: str) -> None:
    condition = Condition.parse(line)
    assert Condition.parse(str(condition)) == Condition.parse(condition.to_json()) == condition


@pytest.mark.parametrize(
    ("canonical", "spelling"),
    [(code(cells[0])[0], spelling) for cells in rows("Symbols") for spelling in code(cells[2])],
)
def test_symbols(canonical: str, spelling: str) -> None:
    instrument = normalise_instrument(spelling, "BINANCE")
    assert canonical in (str(instrument), instrument.symbol)
    assert Instrument.parse(str(instrument)) == instrument


def test_what_is_asked_about_symbols() -> None:
    names = [Listing(Instrument("BINANCE", symbol)) for symbol in ("X/YZ", "XY/Z", "LUNAUSDT", "LUNAUSDT.2")]
    for asked, answer in (("XYZ", "X/YZ"), ("LUNAUSDT", "LUNAUSDT.1"), ("BTC-USD-SWAP", "BTCUSD.P:BTC")):
        with pytest.raises(InstrumentError, match=answer):
            Directory(names).read(asked, "BINANCE")


@pytest.mark.parametrize("line", [line for block in blocks("alias") for line in block.splitlines()])
def test_aliases(line: str) -> None:
    names = [Listing(Instrument("NYSE", "NYA"), ("^NYA",)), Listing(Instrument("DERIBIT", "BTCUSD"), ("BTC index",))]
    with reading(Directory(names)):
        condition = Condition.parse(line)
    assert {one.exchange for one in condition.instruments} & {"NYSE", "DERIBIT"}


def test_words_for_timeframes() -> None:
    names = re.search(r"The timeframes are `([^`]+)`", section("Timeframes"))
    assert names is not None
    assert names[1].split() == list(DURATION_MS)
    table = [line for line in section("Timeframes").splitlines() if line.startswith("|")][2:]
    assert len(table) == 3
    for word in [word for line in table for word in code(line)]:
        assert normalise_timeframe(word) in DURATION_MS
    for word in ("1M", "M"):
        with pytest.raises(TimeframeError):
            normalise_timeframe(word)


@pytest.mark.parametrize("text", [text for cells in rows("What you can compare") for text in code(cells[1])])
def test_operands(text: str) -> None:
    if text != "rsi@ETHUSDT":
        Condition.parse(f"BTCUSDT 1h: close + {text} > 0")
    assert parse_operand(text, Condition.parse("BTCUSDT 1h: close > 1").series)


@pytest.mark.parametrize(
    ("operator", "example", "same"), [tuple(cells) for cells in rows("Operators") if len(cells) == 3]
)
def test_operators(operator: str, example: str, same: str) -> None:
    (one,), (other,) = code(example), code(same)
    assert Condition.parse(f"BTCUSDT 1h: {one}") == Condition.parse(f"BTCUSDT 1h: {other}")
    words = [word.removesuffix(" N bars").removeprefix("k ") for word in code(operator)]
    assert any(word in example for word in words)


def test_firing() -> None:
    table = rows("When it fires")
    closes = [float(cell) for cell in table[0][1:]]
    candles = History({SERIES: [True] * len(closes)}, {Price(SERIES, "close"): closes})
    assert len(closes) == 6
    for label, *cells in table[1:]:
        surface = Condition.parse(f"BTCUSDT 1h: {label.strip('`')}").surface
        expected = [place for place, cell in enumerate(cells) if cell == "fires"]
        assert fires(surface, momentary(surface), candles) == expected, label


def test_equal_and_different_conditions() -> None:
    (same,), (different,) = blocks("same"), blocks("different")
    assert len({Condition.parse(line).id for line in same.splitlines()}) == 1
    lines = different.splitlines()
    assert len({Condition.parse(line).id for line in lines}) == len(lines)


@pytest.mark.parametrize("text", [text for cells in rows("The same elsewhere") for text in code(cells[-1])])
def test_what_others_say(text: str) -> None:
    condition = Condition.parse(f"NASDAQ:IBM 5m: {text}")
    assert Condition.parse(str(condition)) == Condition.parse(condition.to_json()) == condition


@pytest.mark.parametrize("block", blocks("json"))
def test_json(block: str) -> None:
    condition = Condition.parse(json.loads(block))
    assert Condition.parse(block) == Condition.parse(condition.to_json()) == condition


@pytest.mark.parametrize("block", blocks("python"))
def test_python(block: str) -> None:
    exec(compile(block, "docs/language.md", "exec"), {})


@pytest.mark.parametrize("block", blocks("error"))
def test_mistakes(block: str) -> None:
    text, message, caret = block.splitlines()
    with pytest.raises(ConditionError) as caught:
        Condition.parse(text)
    assert message in str(caught.value)
    assert caught.value.position == caret.index("^")


def test_every_word_of_the_page_works() -> None:
    for word in ("crossing up", "greater than", "crossed_below"):
        assert Condition.parse(f"BTCUSDT 1h: close {word} 1")
    for text in ("rsi14 ≤ 1 && ema_200 ≥ 1 || macd_histogram > 1", "rsi(length=9) > sma(timeperiod=9)"):
        assert Condition.parse(f"BTCUSDT 1h {text}")
    for text in ("rsi entering channel 1 and 2", "rsi inside 1 and 2", "rsi moving up 5%", "close > 1 or rsi < 30"):
        assert Condition.parse(f"BTCUSDT 1h: {text}")
    kinds = ("condition", "alias", "console", "same", "different", "json", "python", "error")
    assert sum(len(blocks(kind)) for kind in kinds) == PAGE.count("\n```") // 2
