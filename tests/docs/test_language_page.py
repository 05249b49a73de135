"""Every example of ``docs/language.md`` does what the page says."""

import json
import re
from pathlib import Path

import pytest

from registry import Condition, ConditionError
from registry.language.as_text.text import parse_operand
from registry.language.surface import momentary
from registry.language.tree import Price
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
    for text in ("rsi entering channel 1 and 2", "rsi inside 1 and 2", "rsi moving up 5%", "close > 1 or rsi < 30"):
        assert Condition.parse(f"BTCUSDT 1h: {text}")
    kinds = ("condition", "console", "same", "different", "json", "python", "error")
    assert sum(len(blocks(kind)) for kind in kinds) == PAGE.count("\n```") // 2
