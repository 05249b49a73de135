"""``docs/indicators.md`` is what the catalogue says, and what it says is true."""

import json
import re
from pathlib import Path

import pytest

from indicators import catalogue
from indicators.catalogue import Indicator, IndicatorError
from indicators.codegen import page
from registry import Condition
from registry.language.tree import IndicatorOutput, variables
from tests.indicators.reference import Columns

TEXT = page.PAGE.read_text("utf-8")
ENTRIES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", TEXT, flags=re.MULTILINE | re.DOTALL))
MEASURED = page.read_measured()


def blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", ENTRIES[name], flags=re.MULTILINE | re.DOTALL)


def read(condition: Condition) -> list[IndicatorOutput]:
    return [operand for operand in variables(condition.tree) if isinstance(operand, IndicatorOutput)]


def test_the_page_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--check"]) == 0, "run `make docs`"
    assert capsys.readouterr().err == ""


def test_a_stale_page_is_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "DOCS_FOLDER", tmp_path / "docs")
    monkeypatch.setattr(page, "PAGE", tmp_path / "docs" / "indicators.md")
    page.PAGE.parent.mkdir()
    for text in (None, TEXT.replace("Formula", "Recipe")):
        if text is not None:
            page.PAGE.write_text(text, "utf-8")
        assert page.main(["--check"]) == 1
        assert capsys.readouterr().err == "stale: docs/indicators.md\n"
        assert page.main([]) == 0
        assert page.PAGE.read_text("utf-8") == TEXT
        assert page.main(["--check"]) == 0
        capsys.readouterr()


def test_every_entry_is_on_it_once_and_in_the_contents() -> None:
    assert re.findall(r"^### (\w+)$", TEXT, flags=re.MULTILINE) == [
        name for group in page.GROUPS.values() for name in group
    ]
    assert sorted(ENTRIES) == sorted(catalogue()) == sorted(MEASURED)
    assert re.findall(r"\]\(#(\w+)\)", TEXT) == list(ENTRIES)


def test_an_entry_without_a_group_or_without_measurements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="has no entry for rsi: run `make measure`"):
        page.page({name: entry for name, entry in MEASURED.items() if name != "rsi"})
    monkeypatch.setitem(page.GROUPS, "Candles", ())
    with pytest.raises(ValueError, match="differ: heikin_ashi"):
        page.page(MEASURED)


def test_examples_are_conditions_of_the_entry(record: Indicator) -> None:
    (lines,) = blocks(record.name, "condition")
    conditions = [Condition.parse(line) for line in lines.splitlines()]
    for condition in conditions:
        assert {output.indicator for output in read(condition)} == {record.name}
        assert Condition.parse(condition.to_json()) == condition
    if len(record.outputs) > 1:
        written = re.findall(rf"{record.name}(?:\([^)]*\))?\.(\w+)", lines)
        assert set(written) == {output.name for output in record.outputs}
    defaults = tuple(record.complete({}).items())
    assert {output.parameters for condition in conditions for output in read(condition)} == {defaults}
    if record.has_source:
        assert {output.source for output in read(conditions[-1])} - {record.default_source}


def test_the_flat_example_is_the_first_one(record: Indicator) -> None:
    (text,) = blocks(record.name, "json")
    flat = Condition.parse(json.loads(text))
    first = Condition.parse(blocks(record.name, "condition")[0].splitlines()[0])
    assert Condition.parse(text) == flat == first
    assert json.loads(text).keys() & {"params"} == ({"params"} if record.parameters else set())


def test_an_output_without_a_name_is_the_one_that_the_page_says(record: Indicator) -> None:
    meant = re.findall(r"^\| `(\w+)`, the default", ENTRIES[record.name], flags=re.MULTILINE)
    if len(record.outputs) == 1:
        assert meant == []
        return
    assert meant == ([record.default_output] if record.default_output else [])
    text = f"BTCUSDT 1h: {record.name} > 1"
    if meant:
        (left,) = read(Condition.parse(text))
        assert left.output == meant[0]
    else:
        with pytest.raises(Exception, match="output"):
            Condition.parse(text)


def test_bounds_are_those_of_the_language(record: Indicator) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \| (\w*) ?\|$", ENTRIES[record.name], flags=re.MULTILINE)
    assert [row[0] for row in rows] == [parameter.name for parameter in record.parameters]
    for (name, default, low, high, kind), parameter in zip(rows, record.parameters, strict=True):
        assert (float(default), float(low), float(high)) == (parameter.default, parameter.low, parameter.high)
        assert (kind == "whole") == parameter.whole
        for beyond in (float(low) - 1, float(high) + 1):
            with pytest.raises(IndicatorError, match="must be between"):
                record.complete({name: beyond})


def test_it_answers_the_usual_questions(record: Indicator) -> None:
    entry = ENTRIES[record.name]
    for heading in ("Formula", "Seed", "Range", "Flat", "Source", "First value", "Agreement"):
        assert entry.count(f"**{heading}") == 1, heading
    assert "``" not in re.sub(r"^```.*$", "", entry, flags=re.MULTILINE)
    aliases = re.search(r"^Also written (.*)\.$", entry, flags=re.MULTILINE)
    assert aliases is not None
    assert re.findall(r"`(\w+)`", aliases[1]) == list(record.aliases)
    assert ("Not all combinations" in entry) == (record.rule is not None)
    following = re.findall(r"^`(\w+)` is `(\w+)` unless it is given\.$", entry, flags=re.MULTILINE)
    assert following == [(one.name, one.follows) for one in record.parameters if one.follows is not None]
    assert re.findall(r"^Its source is `(\w+)` by default\.$", entry, flags=re.MULTILINE) == (
        [record.default_source] if record.has_source and record.default_source != "close" else []
    )


def test_what_was_measured_is_what_is_promised(record: Indicator) -> None:
    measured, parameters = MEASURED[record.name], record.complete({})
    assert measured.keys() == {"settle", "against", "difference"}
    assert 0 <= measured["difference"] <= (1e-9 if record.name == "cci" else 1e-11)
    if measured["settle"] is None:
        assert record.settle(parameters) == record.lookback(parameters)
        assert "never settled" in ENTRIES[record.name]
    else:
        assert record.lookback(parameters) <= measured["settle"] <= record.settle(parameters)


@pytest.mark.parametrize("name", ["sma", "ema", "vwap", "zscore", "heikin_ashi"])
def test_measuring_again_gives_the_same(name: str, markets: dict[str, Columns]) -> None:
    """A digit of the last bits may come out differently on another processor."""
    pytest.importorskip("talib")
    from tests.indicators.measuring import measure

    measured = measure(catalogue()[name], markets)
    assert {**measured, "difference": 0} == {**MEASURED[name], "difference": 0}
    assert measured["difference"] <= 10 * MEASURED[name]["difference"]


def test_nothing_is_compiled_to_write_it() -> None:
    import subprocess
    import sys

    command = "import sys, indicators.codegen.page as p; p.page(p.read_measured()); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=page.DOCS_FOLDER.parent, check=False).returncode == 0
