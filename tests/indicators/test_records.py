"""The records: names, documentation, and the generated kernels that follow from them."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import indicators
from indicators.catalogue import NAMES, Indicator, IndicatorError, Output, Step, Window
from indicators.codegen import __main__ as command
from indicators.codegen import files as codegen
from indicators.codegen.__main__ import main


def test_the_catalogue_is_complete() -> None:
    folder = Path(indicators.__file__).parent
    records = [path.stem for path in folder.glob("*.py") if "INDICATOR = " in path.read_text("utf-8")]
    assert sorted(records) == sorted(NAMES)
    assert [record.name for record in indicators.catalogue().values()] == list(NAMES)


def test_every_spelling_means_one_entry() -> None:
    spellings = [spelling for record in indicators.catalogue().values() for spelling in (record.name, *record.aliases)]
    assert len(spellings) == len(set(spellings))
    for record in indicators.catalogue().values():
        for spelling in (record.name, *record.aliases):
            assert spelling == spelling.lower()
            assert indicators.find(f" {spelling.upper().replace('_', '-')} ") is record


def test_the_documentation_answers_the_usual_questions(record: Indicator) -> None:
    document = importlib.import_module(f"indicators.{record.name}").__doc__ or ""
    for heading in ("Formula", "Seed", "Range", "Flat", "Source"):
        assert re.search(rf"^{heading}: \S", document, re.MULTILINE), f"{record.name} does not state {heading}"


def test_records_are_consistent(record: Indicator) -> None:
    assert record.complete({}) == {parameter.name: parameter.default for parameter in record.parameters}
    names = [output.name for output in record.outputs]
    assert names == ["value"] if len(names) == 1 else "value" not in names or record.default_output == "value"
    assert record.default_output is None or record.default_output in names
    parameters = record.complete({})
    assert 0 <= record.lookback(parameters) <= record.settle(parameters)
    assert set(record.inputs) <= {"source", "open", "high", "low", "close", "volume", "day"}


def test_windows_over_the_same_values_share_a_ring() -> None:
    assert indicators.find("bbands").rings == (("source", "period"),)
    assert indicators.find("stoch").rings == (("high", "k"), ("low", "k"), ("fast", "smooth"), ("slow", "d"))


def test_the_kernels_are_fresh() -> None:
    assert codegen.stale() == [], "run `make kernels`"
    assert main(["--check"]) == 0


def test_stale_kernels_are_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "indicators" / "_kernels"
    folder.parent.mkdir()
    monkeypatch.setattr(codegen, "KERNELS_FOLDER", folder)
    monkeypatch.setattr(command, "KERNELS_FOLDER", folder)
    assert main([]) == 0
    assert sorted(path.stem for path in folder.iterdir()) == sorted(["__init__", "program", *NAMES])
    untouched = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "ema.py").write_text("")
    (folder / "gone.py").write_text("")
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "stale: indicators/_kernels/ema.py",
        "stale: indicators/_kernels/gone.py",
    ]
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert {path for path in folder.iterdir() if path.stat().st_mtime_ns != untouched[path]} == {folder / "ema.py"}


@pytest.mark.parametrize("changed", ["windows.py", "rings.py", "intrinsics.py", "smoothing.py", "ema.py"])
def test_a_kernel_changes_with_everything_compiled_into_it(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba's cache looks at the kernel's own file only."""
    before = codegen.kernel(indicators.find("ema"))
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, encoding: read(path, encoding) + ("#" if path.name == changed else "")
    )
    after = codegen.kernel(indicators.find("ema"))
    assert after != before
    assert codegen.program({"ema": after}) != codegen.program({"ema": before})


def test_kernels_have_few_compiled_entries(record: Indicator) -> None:
    """Two history kernels and one live kernel, cached, without what would change bits or miss the cache.

    Two more where a default source is computed from prices that are read anyway.
    """
    source = inspect.getsource(importlib.import_module(f"indicators._kernels.{record.name}"))
    of_prices = ["history_of_prices", "history_of_prices_many"] if record.source_step is not None else []
    entries = re.findall(r"@njit\(cache=True, nogil=True, error_model=\"numpy\"\)\ndef (\w+)", source)
    assert entries == ["history", "history_many", *of_prices, "live"]
    assert source.count("cache=True") == len(entries)
    assert not re.search(r"fastmath|parallel|prange|jitclass", source)


def _flawed(*stages: Window | Step) -> Indicator:
    return Indicator("ema", "", (), ("source",), (), (Output("value"),), stages, lambda _: 0, lambda _: 0)


def _of_other(other: float) -> float:
    return other


def _of_source(source: float) -> float:
    return source


def _of_list(source: float) -> float:
    return source + len(NAMES)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((Step(_of_other, gives=("value",)),), "argument other of _of_other is neither an input, an earlier result"),
        ((Step(_of_source, gives=("value",), state={"source": 0.0}),), "argument source of _of_source is ambiguous"),
        ((Step(_of_source, gives=("source",)),), "two stages or inputs are called source"),
        ((Step(_of_source, gives=("other",)),), "no stage gives the output value"),
        ((Step(_of_list, gives=("value",)),), "_of_list uses NAMES; only functions and math compile"),
        ((Step(abs, gives=("value",)),), "a step must be a plain function"),
        ((Window("value", "sum", over="fast", length="period"),), "a window needs fast"),
    ],
)
def test_flawed_records_are_refused(stages: tuple[Window | Step, ...], message: str) -> None:
    with pytest.raises(IndicatorError, match=message):
        codegen.kernel(_flawed(*stages))
